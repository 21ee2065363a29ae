"""The facade of the slice: one `Protocol` per version turns calls into facts and replies into bytes.

    frame.parse ─▶ Protocol.understand ─▶ fact ─▶ (the rules decide) ─▶ Protocol.encode_reply ─▶ bytes

A message is validated once; only one that fails goes through `repair` and is validated again.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final

from voltway.kernel.errors import Fault, InvalidInput
from voltway.kernel.facts import ACKNOWLEDGED, Fact, Finding, Reply
from voltway.ocpp import frame, schema
from voltway.ocpp.commands import Command
from voltway.ocpp.frame import Call
from voltway.ocpp.intake import CallRefused, Intake, JsonObject, Understood
from voltway.ocpp.notices import notice_reader
from voltway.ocpp.repair import is_tolerable, repaired
from voltway.ocpp.v2 import commands as commands_2
from voltway.ocpp.v2 import replies as replies_2
from voltway.ocpp.v2 import stations as stations_2
from voltway.ocpp.v2 import transactions as transactions_2
from voltway.ocpp.v16 import commands as commands_16
from voltway.ocpp.v16 import core as core_16
from voltway.ocpp.v16 import replies as replies_16
from voltway.ocpp.versions import STATION_CALLS, Version

__all__ = ["CallRefused", "Protocol", "Understood", "protocol_for"]

TRANSACTION_ACTIONS: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"})
"""Messages that are always stored and acknowledged, judged later."""

_ANSWERED_EMPTY = frozenset({"MeterValues", "StatusNotification", "StopTransaction", "TransactionEvent"})

_Reader = Callable[[JsonObject, Intake], Fact]

_READERS_2: dict[str, _Reader] = {
    "Authorize": stations_2.read_authorize,
    "BootNotification": stations_2.read_boot,
    "Heartbeat": stations_2.read_heartbeat,
    "MeterValues": transactions_2.read_meter_values,
    "NotifyReport": stations_2.read_report,
    "StatusNotification": stations_2.read_status,
    "TransactionEvent": transactions_2.read_transaction_event,
}


class Protocol:
    """One version of OCPP, without state: shared by all connections that speak it."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.subprotocol = version.subprotocol
        readers = core_16.READERS if version is Version.V16 else _READERS_2
        self._readers = {action: readers.get(action) or notice_reader(action) for action in STATION_CALLS[version]}
        self._kept_whole = frozenset(self._readers) - frozenset(readers)
        compiled = schema.validators(version)
        self._accepts = {action: compiled[action, "request"].is_valid for action in self._readers}
        self._outgoing = schema.outgoing_actions(version)

    def understand(self, call: Call, received_at: datetime) -> Understood:
        """Read a station's call as a fact.

        Raises:
            CallRefused: the action is not one a station may send, or no valid answer can be built.
        """
        reader = self._readers.get(call.action)
        if reader is None:
            raise self._unknown(call)
        if call.action in self._kept_whole:
            self._refuse_abyss(call)
        intake = Intake(received_at, call.payload_bytes)
        payload = call.payload
        if not self._accepts[call.action](payload):
            payload = self._mended(call, intake)
        fact = reader(payload, intake)
        if call.findings or intake.findings:
            return Understood(fact, (*call.findings, *intake.findings))
        return Understood(fact)

    def encode_reply(self, call: Call, reply: Reply) -> bytes:
        """Write the answer to a call; empty where the call wants none (SEND of 2.1)."""
        if call.is_send:
            return b""
        if reply is ACKNOWLEDGED and call.action in _ANSWERED_EMPTY:
            return frame.result(call.message_id, {})
        return frame.result(call.message_id, self.reply_payload(call, reply))

    def reply_payload(self, call: Call, reply: Reply) -> JsonObject:
        """Return the answer's payload, valid against the response schema."""
        if self.version is Version.V16:
            return replies_16.write_reply(call.action, reply)
        return replies_2.write_reply(call.action, call.payload, reply)

    def encode_refusal(self, call: Call, refused: CallRefused) -> bytes:
        """Write the CALLERROR of a refused call; empty where the call wants no answer."""
        return b"" if call.is_send else frame.error(call.message_id, refused.code, refused.description)

    def encode_command(self, message_id: str, action: str, payload: JsonObject) -> bytes:
        """Write a request of ours."""
        return frame.call(message_id, action, payload)

    def check_command(self, action: str, payload: Any) -> tuple[Fault, ...] | None:
        """Return every fault of a command we are asked to send; None where this version has no such command."""
        if action not in self._outgoing:
            return None
        return schema.faults_of(self.version, action, "request", payload)

    def command_of(self, verb: str, **args: Any) -> Command:
        """Write a verb of `commands.VERBS` as the one request it needs.

        Raises:
            InvalidInput: unknown verb, wrong arguments, or something this version cannot say in one request.
        """
        commands = self.commands_of(verb, **args)
        if len(commands) != 1:
            raise InvalidInput(f"{verb} needs {len(commands)} requests in OCPP {self.version}: send them one by one")
        return commands[0]

    def commands_of(self, verb: str, **args: Any) -> tuple[Command, ...]:
        """Write a verb as the requests it needs: one, except for 1.6's configuration, which is written key by key.

        Raises:
            InvalidInput: unknown verb, wrong arguments, or something this version cannot say.
        """
        if self.version is Version.V16:
            return commands_16.commands_of(verb, args)
        return commands_2.commands_of(verb, args)

    def read_answer(self, action: str, payload: JsonObject, received_at: datetime) -> Understood | None:
        """Return the fact that an answer to a command of ours holds (configuration read); None for a bare yes or no."""
        intake = Intake(received_at)
        read = commands_16.read_answer if self.version is Version.V16 else commands_2.read_answer
        fact = read(action, payload, intake)
        return None if fact is None else Understood(fact, tuple(intake.findings))

    def check_answer(self, action: str, payload: Any) -> tuple[Fault, ...]:
        """Return every fault of what a station answered to our command."""
        return schema.faults_of(self.version, action, "response", payload)

    def _mended(self, call: Call, intake: Intake) -> JsonObject:
        """Mend a payload; a transaction message passes whatever is left, any other one must be answerable."""
        self._refuse_abyss(call)
        payload = repaired(self.version, call.action, call.payload, intake)
        for error in schema.violations(self.version, call.action, "request", payload):
            if is_tolerable(error):
                continue
            sentence = f"{schema.pointer_of(error) or '/'}: {error.message}"
            if call.action in TRANSACTION_ACTIONS:
                intake.note("schema_violation", sentence)
                break
            findings = (*call.findings, *intake.findings, Finding("schema_violation", sentence[:200]))
            raise CallRefused(schema.error_code_of(self.version, error), sentence[:255], findings)
        return payload

    def _refuse_abyss(self, call: Call) -> None:
        """Nothing that goes on as JSON may nest deeper than its next writer takes."""
        if call.action not in TRANSACTION_ACTIONS and frame.is_too_deep(call.payload):
            code = "FormationViolation" if self.version is Version.V16 else "FormatViolation"
            raise CallRefused(code, f"nested deeper than {frame.DEEPEST_NESTING} levels", call.findings)

    def _unknown(self, call: Call) -> CallRefused:
        """OCPP-J 4.2.3: NotSupported is for an action we know but do not take, NotImplemented for one nobody knows."""
        if (call.action, "request") in schema.documents(self.version):
            return CallRefused("NotSupported", f"{call.action[:50]} is not sent by a station", call.findings)
        description = f"OCPP {self.version} has no action {call.action[:50]!r}"
        return CallRefused("NotImplemented", description, call.findings)


@cache
def protocol_for(version: Version) -> Protocol:
    """Return the protocol of a version; its schemas are compiled at the first call (35 ms)."""
    return Protocol(version)

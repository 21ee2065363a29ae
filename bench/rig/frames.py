"""The frames that a bench station sends: boot, start, then readings with four sampled values and a fresh time.

Each frame is one `bytes %` on a template, so that writing it costs the load process about a microsecond.
"""

import time
import uuid
from typing import Literal

Version = Literal["1.6", "2.0.1"]

# A tenth of a watt-hour a message: at 150 messages a second and station that is 54 kW, what a real station can do.
_REGISTER_STEP = 1
_REGISTER_START = 1_234_560  # tenths of a watt-hour

_BOOT_16 = b'[2,"%s%08d","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"Load"}]'
_BOOT_201 = (
    b'[2,"%s%08d","BootNotification",'
    b'{"reason":"PowerUp","chargingStation":{"vendorName":"Bench","model":"Load"}}]'
)  # fmt: skip
_START_16 = (
    b'[2,"%s%08d","StartTransaction",'
    b'{"connectorId":1,"idTag":"%s","meterStart":%d,"timestamp":"%s"}]'
)  # fmt: skip
_START_201 = (
    b'[2,"%s%08d","TransactionEvent",{"eventType":"Started","timestamp":"%s","triggerReason":"Authorized","seqNo":0,'
    b'"transactionInfo":{"transactionId":"%s","chargingState":"Charging"},"evse":{"id":1,"connectorId":1},'
    b'"idToken":{"idToken":"%s","type":"ISO14443"},"meterValue":[{"timestamp":"%s","sampledValue":['
    b'{"value":%d.%d,"context":"Transaction.Begin","measurand":"Energy.Active.Import.Register"}]}]}]'
)
_UPDATE_16 = (
    b'[2,"%s%08d","MeterValues",{"connectorId":1,"transactionId":%s,"meterValue":[{"timestamp":"%s","sampledValue":['
    b'{"value":"%d.%d","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"},'
    b'{"value":"%d","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},'
    b'{"value":"%d.%d","context":"Sample.Periodic","measurand":"Current.Import","unit":"A"},'
    b'{"value":"%d.%d","context":"Sample.Periodic","measurand":"Voltage","unit":"V"}]}]}]'
)
_UPDATE_201 = (
    b'[2,"%s%08d","TransactionEvent",{"eventType":"Updated","timestamp":"%s","triggerReason":"MeterValuePeriodic",'
    b'"seqNo":%d,"transactionInfo":{"transactionId":"%s","chargingState":"Charging"},'
    b'"evse":{"id":1,"connectorId":1},"meterValue":[{"timestamp":"%s","sampledValue":['
    b'{"value":%d.%d,"context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
    b'"unitOfMeasure":{"unit":"Wh"}},'
    b'{"value":%d,"context":"Sample.Periodic","measurand":"Power.Active.Import","unitOfMeasure":{"unit":"W"}},'
    b'{"value":%d.%d,"context":"Sample.Periodic","measurand":"Current.Import","unitOfMeasure":{"unit":"A"}},'
    b'{"value":%d.%d,"context":"Sample.Periodic","measurand":"Voltage","unitOfMeasure":{"unit":"V"}}]}]}]'
)


class Stamp:
    """The time of day as RFC 3339 with milliseconds; the text of the second is made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def __call__(self) -> bytes:
        """Return the time now."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return b"%s.%03dZ" % (self._text, int((now - second) * 1000))


class Script:
    """What one station says next; message ids are as long as a UUID, as real stations' are."""

    def __init__(self, version: Version, identity: str, stamp: Stamp) -> None:
        self.version = version
        self.message_number = 0
        self.register = _REGISTER_START
        self.sequence = 0
        self.transaction_id = uuid.uuid4().hex.encode()
        self._prefix = uuid.uuid4().hex[:28].encode()
        self._token = identity[-20:].encode()
        self._stamp = stamp

    @property
    def answer_start(self) -> bytes:
        """How the CALLRESULT of the last frame begins when it is written without blanks."""
        return b'[3,"%s%08d"' % (self._prefix, self.message_number)

    def boot(self) -> bytes:
        """Return the BootNotification."""
        self.message_number += 1
        return (_BOOT_16 if self.version == "1.6" else _BOOT_201) % (self._prefix, self.message_number)

    def start(self) -> bytes:
        """Return what starts the transaction: StartTransaction, or TransactionEvent Started with its first register."""
        self.message_number += 1
        head, now = (self._prefix, self.message_number), self._stamp()
        if self.version == "1.6":
            return _START_16 % (*head, self._token, self.register // 10, now)
        return _START_201 % (*head, now, self.transaction_id, self._token, now, *divmod(self.register, 10))

    def update(self) -> bytes:
        """Return the next reading: MeterValues, or TransactionEvent Updated; the register goes up each time."""
        self.message_number = number = self.message_number + 1
        self.register = register = self.register + _REGISTER_STEP
        now = self._stamp()
        wave = number % 50
        power_w, tenths_a, tenths_v = 10_950 + wave, 158 + wave % 3, 2_290 + wave
        values = (register // 10, register % 10, power_w, tenths_a // 10, tenths_a % 10, tenths_v // 10, tenths_v % 10)
        if self.version == "1.6":
            return _UPDATE_16 % (self._prefix, number, self.transaction_id, now, *values)
        self.sequence = sequence = self.sequence + 1
        return _UPDATE_201 % (self._prefix, number, now, sequence, self.transaction_id, now, *values)

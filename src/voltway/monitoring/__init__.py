"""Monitoring: one timeline per EVSE, faults found and cured, uptime proved; it stands on the facts of the main job.

timeline   evidence ─▶ operator states as intervals; live power
incidents  rules as data ─▶ symptoms ─▶ incidents with a life
remedies   ladders as data, tried within limits, their outcome recorded
notify     routes, digests, mails; the public event stream and signed webhooks
numbers    uptime by three laws, usage rollups, KPIs, periods of high demand
reports    the numbers as CSV, XLSX and PDF
support    why a start failed or a session was cut, in one sentence
"""

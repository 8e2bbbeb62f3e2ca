"""Traces: what became of an upload, as spans that are made from the ledger once the upload is finished.

No process keeps spans while it works, so no kill loses one: whoever sends them reads the ledger, and a span has the
same id however often it is made. Only `collector.py` knows OpenTelemetry, and only workers that send spans import it.
"""

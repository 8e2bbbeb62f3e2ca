"""Failures of the work on an upload that was taken."""

from __future__ import annotations

from app.errors.problem import MentiongraphError, Where


class RowsDiffer(MentiongraphError):
    """A worker received another number of rows than the API staged.

    Report the upload and both releases: API and workers read the file in two ways. Nothing of the batch was applied.
    """

    code = "rows-differ"
    where = Where.LEDGER


class CountFailed(MentiongraphError):
    """A worker could not count the batch.

    Look at the detail and at the worker's log, then run `mentiongraph replay`.
    """

    code = "count-failed"
    where = Where.LEDGER


class PayloadErased(MentiongraphError):
    """The batch held a person who was forgotten before anybody counted the batch.

    The batch cannot be replayed. Send its rows again without the person.
    """

    code = "payload-erased"
    where = Where.LEDGER


class WorkerLost(MentiongraphError):
    """Every worker that took this batch was lost.

    Look at the workers' logs (did the system end them for want of memory?), then run `mentiongraph replay`.
    """

    code = "worker-lost"
    where = Where.LEDGER


class AuditFailed(MentiongraphError):
    """A worker could not finish the audit.

    Look at the detail, and run `mentiongraph audit`, which has no time limit.
    """

    code = "audit-failed"
    where = Where.LEDGER


class MergeFailed(MentiongraphError):
    """A worker could not merge the batch into the graph.

    Cancel or retract the upload, and send the file again. The other uploads go on.
    """

    code = "merge-failed"
    where = Where.LEDGER

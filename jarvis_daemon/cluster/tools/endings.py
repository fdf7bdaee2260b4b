"""What a tool that waits for a task adds to its verdict: the task's warnings, or that it may still run."""

from __future__ import annotations

import dataclasses
from typing import Any

from jarvis_daemon.cluster.tools.hands import TaskDone
from jarvis_daemon.tools import Context, Target, ToolSpec, Verdict
from jarvis_daemon.tools.judge import sentence, settle


def with_endings(spec: ToolSpec) -> ToolSpec:
    """The same tool; what does not wait for a task stays as it is."""
    verify = spec.verify
    if verify is None or not issubclass(spec.output, TaskDone):
        return spec

    async def told(args: Any, target: Target, result: Any, ctx: Context) -> Verdict:
        verdict: Verdict = await settle(verify(args, target, result, ctx))
        if result is None and verdict.outcome == "contradicted":
            return dataclasses.replace(
                verdict, outcome="unverified", text=f"{verdict.text} Its task may still run."
            )
        if result is not None and result.status == "warnings" and verdict.outcome == "verified":
            done = verdict.text or (sentence(spec.sentences.done, args, target) if spec.sentences else "")
            return dataclasses.replace(verdict, text=f"{done} Its task ended with warnings: see its log.".strip())
        return verdict

    return dataclasses.replace(spec, verify=told)

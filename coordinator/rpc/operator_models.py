"""`OperatorService` of the models: which serve, another bundle instead, and how two differ."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.errors import FieldFault, FieldInvalid
from coordinator.models.bundle import Bundle
from coordinator.models.comparison import Comparison, quantile
from coordinator.models.kept import SHIPPED, Entry
from coordinator.models.serving import shipped_name
from coordinator.models.shadow import Shadow
from coordinator.models.switch import ModelSwitch
from coordinator.rpc.noun_codec import timestamp
from coordinator.rpc.server import Context
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc


class OperatorModels(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service about models; set `switch` and `shadow`."""

    switch: ModelSwitch
    shadow: Shadow

    async def ListModels(  # noqa: N802 - the contract
        self, request: op.ListModelsRequest, context: Context
    ) -> op.ListModelsResponse:
        """What serves, what served before, what scores beside; and what was wrong."""
        return op.ListModelsResponse(
            models=self._models(),
            bundles=self._bundles(),
            degraded=self.switch.serving.degraded,
            problems=self.switch.serving.problems,
        )

    async def ActivateModel(  # noqa: N802 - the contract
        self, request: op.ActivateModelRequest, context: Context
    ) -> op.ActivateModelResponse:
        """Another bundle serves or scores beside, when this returns."""
        if request.rollback and (request.shadow or request.bundle_path):
            why = "goes back to the one before: name neither a bundle nor shadow"
            raise FieldInvalid(FieldFault("rollback", why))
        if request.rollback:
            await self.switch.rollback()
        elif request.shadow:
            await self.switch.set_shadow(request.bundle_path or None)
        else:
            await self.switch.activate(request.bundle_path)
        return op.ActivateModelResponse(models=self._models(), bundles=self._bundles())

    async def CompareModels(  # noqa: N802 - the contract
        self, request: op.CompareModelsRequest, context: Context
    ) -> op.CompareModelsResponse:
        """How the shadow differs from what serves, so far."""
        bundles = {bundle.role: bundle for bundle in self._bundles()}
        answer = op.CompareModelsResponse(
            active=bundles.get(op.BUNDLE_ROLE_ACTIVE), shadow=bundles.get(op.BUNDLE_ROLE_SHADOW)
        )
        if self.switch.shadow is not None:
            record = self.shadow.snapshot()
            answer.parts.extend(_compared(name, part) for name, part in record.parts.items())
            answer.since.CopyFrom(timestamp(record.since_s) or Timestamp())
        return answer

    def _models(self) -> list[op.ModelInfo]:
        told = []
        for bundle, shadow in ((self.switch.serving.bundle, False), (self.switch.shadow, True)):
            for part in bundle.parts if bundle else ():
                session = bundle.sessions[part.name] if bundle else None
                info = op.ModelInfo(
                    active=not shadow,
                    shadow=shadow,
                    schema_sha256=part.schema_sha256,
                    metrics=part.metrics,
                )
                info.model.name, info.model.version = part.name, part.version
                info.model.sha256 = part.sha256
                if not shadow and (at := timestamp(self.switch.loaded_at_s)) is not None:
                    info.loaded_at.CopyFrom(at)
                if session is not None:
                    info.failed_run_count = session.failures
                    info.slow_run_count = session.slow_runs
                    info.resting = session.resting
                told.append(info)
        return told

    def _bundles(self) -> list[op.BundleInfo]:
        switch, told = self.switch, []
        if switch.serving.bundle is not None:
            entry = switch.state.active or SHIPPED
            told.append(self._bundle(op.BUNDLE_ROLE_ACTIVE, entry, switch.serving.bundle))
        if switch.state.previous is not None:
            told.append(self._bundle(op.BUNDLE_ROLE_PREVIOUS, switch.state.previous, None))
        if switch.shadow is not None:
            entry = switch.state.shadow or SHIPPED
            told.append(self._bundle(op.BUNDLE_ROLE_SHADOW, entry, switch.shadow))
        return told

    def _bundle(
        self, role: op.BundleRole.ValueType, entry: Entry, bundle: Bundle | None
    ) -> op.BundleInfo:
        name, version = entry.name, entry.version
        if not entry.manifest_sha256:
            name, version = shipped_name()
        info = op.BundleInfo(
            role=role,
            name=name,
            version=version,
            manifest_sha256=entry.manifest_sha256,
            came_from=entry.came_from,
        )
        if bundle is not None:
            info.signed_by = bundle.signed_by
            if bundle.expires_at is not None:
                info.expires_at.CopyFrom(timestamp(bundle.expires_at.timestamp()) or Timestamp())
                now_s = self.switch.now_s()
                info.expired = bundle.expired(datetime.fromtimestamp(now_s, UTC))
        return info


def _compared(name: str, part: Comparison) -> op.ModelComparison:
    return op.ModelComparison(
        part=name,
        run_count=part.runs,
        request_count=part.requests,
        dropped_run_count=part.dropped,
        failed_run_count=part.failed,
        top1_agreement=part.top1_agreement,
        rank_agreement=part.rank_agreement,
        score_correlation=part.score_correlation,
        mean_difference=part.mean_difference,
        active_p50_s=quantile(part.active_s, 0.5),
        active_p99_s=quantile(part.active_s, 0.99),
        shadow_p50_s=quantile(part.shadow_s, 0.5),
        shadow_p99_s=quantile(part.shadow_s, 0.99),
    )

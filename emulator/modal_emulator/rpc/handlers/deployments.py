"""Deployments: published, listed, brought back, begun anew."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.ground.errors import Conflict, NotBuilt
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.results import terminated
from modal_emulator.rpc.tables import Rpc, full
from modal_emulator.rpc.variants import rebuilt
from modal_emulator.store.apps import App, AppState
from modal_emulator.store.deployments import Author, Deployment, DeploymentKind
from modal_emulator.world import WORKSPACE, World

__all__ = ["RPCS", "page_of"]


async def app_publish(
    world: World, call: Call[api_pb2.AppPublishRequest]
) -> api_pb2.AppPublishResponse:
    """Make the functions of the request those of the app, or stage them as a version of it."""
    request = call.request
    if request.rollback_version:
        raise NotBuilt("modal-emulator brings a version back by AppRollback only")
    old = world.apps.get(request.app_id)
    state = AppState(request.app_state) if request.app_state else old.state
    function_ids = dict(request.function_ids)
    definition_ids = dict(request.definition_ids)
    if state is AppState.DEPLOYED:
        proposed = world.apps.proposed(function_ids.values(), definition_ids)
        world.schedules.check_limit(request.app_id, proposed)
    app = world.apps.publish(
        request.app_id,
        state,
        name=request.name,
        tag=request.deployment_tag,
        function_ids=function_ids,
        class_ids=dict(request.class_ids),
        tags=dict(getattr(request, "tags", {})),
        definition_ids=definition_ids,
        author=_author(call, _commit(request)),
        staged=getattr(request, "staged", False),
    )
    if not getattr(request, "staged", False):
        await _roll_out(world, app)
    return known(
        api_pb2.AppPublishResponse, url=page_of(world, app.app_id), deployed_at=app.published_at
    )


async def app_rollback(
    world: World, call: Call[api_pb2.AppRollbackRequest]
) -> api_pb2.AppRollbackResponse | Empty:
    """Deploy an earlier version once more; -1 is the one before."""
    app_id, version = call.request.app_id, call.request.version
    if version < 0:
        app = _in_production(world, app_id)
        version = world.apps.deployments.before(app_id, app.version).version
    at = await _deploy_again(world, call, app_id, version, DeploymentKind.ROLLBACK)
    if not hasattr(api_pb2, "AppRollbackResponse"):  # the oldest SDKs ask for nothing back
        return Empty()
    return api_pb2.AppRollbackResponse(url=page_of(world, app_id), deployed_at=at)


async def app_rollover(
    world: World, call: Call[api_pb2.AppRolloverRequest]
) -> api_pb2.AppRolloverResponse:
    """Deploy the version in production once more, for new containers."""
    app_id = call.request.app_id
    version = _in_production(world, app_id).version
    at = await _deploy_again(world, call, app_id, version, DeploymentKind.ROLLOVER)
    return api_pb2.AppRolloverResponse(url=page_of(world, app_id), deployed_at=at)


async def app_promote(
    world: World, call: Call[api_pb2.AppPromoteRequest]
) -> api_pb2.AppPromoteResponse:
    """Deploy a version that was staged."""
    app_id, version = call.request.app_id, call.request.version
    if world.apps.deployments.get(app_id, version).kind is not DeploymentKind.STAGED:
        raise Conflict(f"Version {version} of the App is not staged")  # the words are a guess
    at = await _deploy_again(world, call, app_id, version, DeploymentKind.PROMOTION)
    return api_pb2.AppPromoteResponse(url=page_of(world, app_id), deployed_at=at)


async def app_deployment_history(
    world: World, call: Call[api_pb2.AppDeploymentHistoryRequest]
) -> api_pb2.AppDeploymentHistoryResponse:
    """List the deployments of an app, the newest first: the SDK prints the first one bold."""
    app = world.apps.get(call.request.app_id)
    deployments = world.apps.deployments.of(app.app_id)
    return known(
        api_pb2.AppDeploymentHistoryResponse,
        production_app_version=app.version,
        app_deployment_histories=[_history(app, each) for each in reversed(deployments)],
    )


def page_of(world: World, app_id: str) -> str:
    """Return where a person looks at an app."""
    return f"{world.site_url}/apps/{app_id}"


async def _deploy_again(
    world: World,
    call: Call[api_pb2.AppRollbackRequest]
    | Call[api_pb2.AppRolloverRequest]
    | Call[api_pb2.AppPromoteRequest],
    app_id: str,
    version: int,
    kind: DeploymentKind,
) -> float:
    _in_production(world, app_id)
    target = world.apps.deployments.get(app_id, version)
    world.schedules.check_limit(app_id, world.apps.deployments.functions(target))
    app = world.apps.deploy_again(app_id, version, kind, _author(call, target.author.commit))
    await _roll_out(world, app)
    return app.deployed_at


async def _roll_out(world: World, app: App) -> None:
    """Let containers of what an app now consists of take over from those that there are."""
    for variant in rebuilt(world.apps, world.ids, app.app_id):
        world.apps.put_function(variant)
    if app.state is AppState.DEPLOYED:
        world.journal.add("app.deployed", app=app.name, app_id=app.app_id, version=app.version)
    await world.dispatcher.replace(app.app_id, lambda: terminated(world))
    world.dispatcher.scale(app.app_id)


def _in_production(world: World, app_id: str) -> App:
    """Return a deployed app; the SDK's command looks before it asks."""
    app = world.apps.get(app_id)
    if app.state is not AppState.DEPLOYED or not app.version:
        raise Conflict(f"App '{app_id}' is not deployed")
    return app


def _author(
    call: Call[api_pb2.AppPublishRequest]
    | Call[api_pb2.AppRollbackRequest]
    | Call[api_pb2.AppRolloverRequest]
    | Call[api_pb2.AppPromoteRequest],
    commit: bytes,
) -> Author:
    client = (call.metadata or {}).get("x-modal-client-version", "")
    return Author(WORKSPACE, client, commit)


def _commit(request: api_pb2.AppPublishRequest) -> bytes:
    return request.commit_info.SerializeToString() if request.HasField("commit_info") else b""


def _history(app: App, deployment: Deployment) -> api_pb2.AppDeploymentHistory:
    author = deployment.author
    there = deployment.version != app.version and deployment.is_whole
    staged = deployment.kind is DeploymentKind.STAGED
    return known(
        api_pb2.AppDeploymentHistory,
        app_id=app.app_id,
        version=deployment.version,
        client_version=author.client,
        deployed_at=deployment.at,
        deployed_by=author.name,
        tag=deployment.tag,
        rollback_version=deployment.again,
        rollback_allowed=there and not staged and app.live,
        commit_info=api_pb2.CommitInfo.FromString(author.commit),
        deployment_type=deployment.kind.value,
    )


RPCS: dict[str, Rpc] = {
    "AppPublish": full(app_publish),
    "AppRollback": full(app_rollback),
    "AppDeploymentHistory": full(app_deployment_history),
}
if hasattr(api_pb2, "AppRolloverRequest"):  # the oldest SDKs
    RPCS["AppRollover"] = full(app_rollover)
if hasattr(api_pb2, "AppPromoteRequest"):
    RPCS["AppPromote"] = full(app_promote)

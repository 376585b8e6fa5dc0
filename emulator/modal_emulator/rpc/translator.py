"""The messages that pass through the scheduler without being understood there."""

import pickle
import signal
from collections.abc import Iterator

from modal_proto import api_pb2

from modal_emulator.rpc.compat import known
from modal_emulator.rpc.definitions import definition_of, handle_of
from modal_emulator.rpc.handles import volume_metadata
from modal_emulator.runtime.backend import Exit
from modal_emulator.schedule.worker import Ending
from modal_emulator.store.apps import App, Apps, Function
from modal_emulator.store.volumes import Volumes
from modal_emulator.store.web_addresses import WebAddresses

__all__ = ["Messages", "layout_of"]


class Messages:
    """Makes them; the results it makes say how an input ended without user code saying so."""

    def __init__(self, apps: Apps, volumes: Volumes, web: WebAddresses) -> None:
        self._apps = apps
        self._volumes = volumes
        self._web = web

    def arguments(self, function: Function, container_id: str, environment: str) -> bytes:
        """Return what the SDK's entrypoint reads at its start."""
        app = self._apps.get(function.app_id)
        definition = definition_of(function)
        layout = layout_of(self._apps, app, self._web)
        layout.objects.extend(self._dependencies(definition, layout))
        self._describe(layout, function)
        return known(
            api_pb2.ContainerArguments,
            task_id=container_id,
            function_id=function.function_id,
            app_id=function.app_id,
            function_def=definition,
            serialized_params=function.parameters,
            environment_name=environment,
            app_layout=layout,
        ).SerializeToString()

    def _describe(self, layout: api_pb2.AppLayout, function: Function) -> None:
        """Let a layout say what a function is in this container, be it of an older version."""
        others = [each for each in layout.objects if each.object_id != function.function_id]
        del layout.objects[:]
        layout.objects.extend(others)
        layout.objects.add(
            object_id=function.function_id,
            function_handle_metadata=handle_of(function, self._web.urls(function)),
        )

    def _dependencies(
        self, definition: api_pb2.Function, layout: api_pb2.AppLayout
    ) -> Iterator[api_pb2.Object]:
        """Return the objects that the entrypoint hydrates beside the app's own functions."""
        there = {o.object_id for o in layout.objects}
        for dependency in definition.object_dependencies:
            object_id = dependency.object_id
            if object_id in there:
                continue
            if object_id.startswith("vo-"):
                volume = self._volumes.get(object_id)
                yield known(
                    api_pb2.Object, object_id=object_id, volume_metadata=volume_metadata(volume)
                )
            else:
                yield api_pb2.Object(object_id=object_id)

    def not_started(self, why: str) -> bytes:
        """Say that the container could not be started; Modal's own words are not known [guess]."""
        return api_pb2.GenericResult(
            status=api_pb2.GenericResult.GENERIC_STATUS_INIT_FAILURE, exception=why
        ).SerializeToString()

    def died(self, ended: Exit, why: Ending | None) -> bytes:
        """Say that the container died; Modal's own words are not known [guess]."""
        code = ended.code or 0
        if ended.signal is not None:
            how = f"was killed by {signal.Signals(ended.signal).name}"
            code = 128 + ended.signal  # as a shell says it, and the SDK of Sandboxes: 137
        else:
            how = f"exited with code {ended.code}"
        if why is Ending.OUT_OF_MEMORY:
            how = f"ran out of memory (OOM) and {how}"
        return api_pb2.GenericResult(
            status=api_pb2.GenericResult.GENERIC_STATUS_FAILURE,
            exception=f"The container {how} before the input was done.",
            exitcode=code,
        ).SerializeToString()

    def timed_out(self, input_id: str, timeout: float) -> bytes:
        """Say that the input took too long, in Modal's words (modal-semantics 5 [observed])."""
        return api_pb2.GenericResult(
            status=api_pb2.GenericResult.GENERIC_STATUS_TIMEOUT,
            exception=f"Task's current input {input_id} hit its timeout of {timeout:g}s",
        ).SerializeToString()

    def started_late(self, timeout: float) -> bytes:
        """Say that a container took too long to start; Modal's own words are not known [guess]."""
        return api_pb2.GenericResult(
            status=api_pb2.GenericResult.GENERIC_STATUS_TIMEOUT,
            exception=f"The container did not start within its startup timeout of {timeout:g}s",
        ).SerializeToString()

    def is_final(self, failure: bytes) -> bool:
        """Say whether it is this emulator that cannot run the container."""
        status = api_pb2.GenericResult.FromString(failure).status
        return status == api_pb2.GenericResult.GENERIC_STATUS_INIT_FAILURE

    def terminated(self) -> bytes:
        """Say that the input was cancelled."""
        return api_pb2.GenericResult(
            status=api_pb2.GenericResult.GENERIC_STATUS_TERMINATED,
            exception="Input was cancelled",
        ).SerializeToString()

    def no_arguments(self) -> tuple[int, bytes]:
        """Call as `spawn` with no arguments does; how Modal calls what is due is not seen."""
        arguments = pickle.dumps(((), {}), protocol=4)  # the SDK's own protocol
        item = api_pb2.FunctionInput(args=arguments, data_format=api_pb2.DATA_FORMAT_PICKLE)
        return api_pb2.FUNCTION_CALL_INVOCATION_TYPE_ASYNC, item.SerializeToString()

    def words(self, result: bytes) -> str:
        """Return the exception of a result, as its text."""
        return api_pb2.GenericResult.FromString(result).exception


def layout_of(apps: Apps, app: App, web: WebAddresses) -> api_pb2.AppLayout:
    """Return the functions and classes of an app with their handles."""
    functions = [apps.function(i) for i in app.function_ids.values()]
    objects = [
        api_pb2.Object(object_id=f.function_id, function_handle_metadata=handle_of(f, web.urls(f)))
        for f in functions
    ]
    objects += [
        api_pb2.Object(object_id=i, class_handle_metadata=api_pb2.ClassHandleMetadata())
        for i in app.class_ids.values()
    ]
    return api_pb2.AppLayout(
        objects=objects, function_ids=app.function_ids, class_ids=app.class_ids
    )

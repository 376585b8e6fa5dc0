"""
The edge: where requests to web functions arrive.

Each address has a port of its own. A request becomes a call of the function that has the address
now; who may not, or asks for what is not there, is answered here, as Modal's edge does.
"""

from collections.abc import Callable

from aiohttp import web

from modal_emulator.ground.errors import Code, EmulatorError
from modal_emulator.store.web_addresses import DOMAIN, EVERY
from modal_emulator.web import edge_http
from modal_emulator.web.authority import Authority
from modal_emulator.web.edge_answers import Whole
from modal_emulator.web.edge_call import Late, Messages, WebCall
from modal_emulator.web.edge_errors import BAD_METHOD, TIMED_OUT, UNKNOWN, refusal
from modal_emulator.web.edge_guard import Allowance, host_of, refused
from modal_emulator.web.edge_ports import EdgePorts
from modal_emulator.web.edge_scope import awaited, http_scope, own_url, websocket_scope
from modal_emulator.web.edge_socket import ABNORMAL, conversed, is_websocket
from modal_emulator.world import World

__all__ = ["PATIENCE", "Edge"]

# Of what is refused before a container sees it; that Modal's are the same is a guess.
_CODES = {Code.INVALID_ARGUMENT: 400, Code.NOT_FOUND: 404, Code.RESOURCE_EXHAUSTED: 429}

PATIENCE = 150.0
"""Seconds of the emulator's clock after which an answer has to be asked for again."""


class Edge:
    """Answers for web functions, from the World of the moment."""

    def __init__(
        self, world: Callable[[], World], messages: Messages, authority: Authority
    ) -> None:
        self._world = world
        self._messages = messages
        self._late: dict[str, WebCall] = {}
        self._allowance = Allowance()
        self.ports = EdgePorts(self._answer, authority)

    async def close(self) -> None:
        """Let go of everybody; the World ends."""
        await self.ports.close()
        self._late.clear()
        self._allowance = Allowance()

    async def _answer(self, subdomain: str, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._pass(subdomain, request)
        except EmulatorError as error:
            return refusal(_CODES.get(error.code, 500), f"modal-http: {error.message}")

    async def _pass(self, subdomain: str, request: web.BaseRequest) -> web.StreamResponse:
        world = self._world()
        if subdomain == EVERY:
            subdomain = host_of(request).removesuffix(f".{DOMAIN}")
        address = world.web.find(subdomain)
        if address is None:
            return refusal(404, UNKNOWN)
        if (no := refused(world, address, request, self._allowance)) is not None:
            return no
        function_id, method = address.function_id, address.endpoint.method
        if method and request.query_string:
            function_id = self._messages.variant(world, function_id, request.query_string)
        if call_id := awaited(request):
            return await self._answer_late(world, function_id, call_id, request)
        until = world.clock.now() + PATIENCE
        if is_websocket(request):
            call = WebCall(world, self._messages, function_id, method, websocket_scope(request))
            return await self._websocket(request, call, until)
        call = WebCall(world, self._messages, function_id, method, http_scope(request))
        return await self._http(request, call, until)

    async def _http(
        self, request: web.BaseRequest, call: WebCall, until: float
    ) -> web.StreamResponse:
        body = edge_http.begin(request, call)
        try:
            response = await edge_http.answered(request, call, until)
        except Late:
            return self._redirect(request, call)
        except BaseException:
            call.leave({"type": "http.disconnect"})
            raise
        finally:
            await edge_http.end(body)
        call.end()
        return response

    async def _websocket(
        self, request: web.BaseRequest, call: WebCall, until: float
    ) -> web.StreamResponse:
        try:
            response = await conversed(request, call, until)
        except BaseException as error:
            call.leave({"type": "websocket.disconnect", "code": ABNORMAL})
            if isinstance(error, Late):  # there is no redirect for these; the answer is a guess
                return refusal(500, TIMED_OUT)
            raise
        call.end()
        return response

    async def _answer_late(
        self, world: World, function_id: str, call_id: str, request: web.BaseRequest
    ) -> web.StreamResponse:
        call = self._late.get(call_id)
        if call is None or call.belongs_to != function_id:
            return refusal(404, UNKNOWN)
        if request.method not in ("GET", "HEAD"):
            return refusal(400, BAD_METHOD)
        del self._late[call_id]
        try:
            response = await edge_http.answered(request, call, world.clock.now() + PATIENCE)
        except Late:
            return self._redirect(request, call)
        except BaseException:
            if call.has_begun:
                call.leave({"type": "http.disconnect"})
            else:
                self._late[call_id] = call  # it may be asked for again
            raise
        call.end()
        return response

    def _redirect(self, request: web.BaseRequest, call: WebCall) -> web.StreamResponse:
        self._late[call.call_id] = call
        headers = {"Location": own_url(request, call.call_id)}
        return Whole(status=303, headers=headers)

"""The web's part of function definitions: what is asked for, and which addresses are given."""

from collections.abc import Iterator

from modal_proto import api_pb2

from modal_emulator.rpc.compat import known
from modal_emulator.store.apps import Function
from modal_emulator.store.web import WebEndpoint
from modal_emulator.store.web_addresses import Address, WebAddresses

__all__ = ["endpoints_of", "has_custom_domains", "with_urls"]

Asked = api_pb2.Function | api_pb2.FunctionPrecreateRequest
NONE = api_pb2.WEBHOOK_TYPE_UNSPECIFIED


def endpoints_of(asked: Asked) -> tuple[WebEndpoint, ...]:
    """Return the web endpoints of a function, or of the methods of a class."""
    return tuple(
        WebEndpoint(
            method=method,
            name=name,
            label=config.requested_suffix,
            dev_suffix=getattr(config, "ephemeral_suffix", ""),
            proxy_auth=config.requires_proxy_auth,
        )
        for method, name, config in _configs(asked)
    )


def has_custom_domains(asked: Asked) -> bool:
    """Say whether an endpoint is to be reached by a name of the user's own."""
    return any(config.custom_domains for _, _, config in _configs(asked))


def with_urls(definition: api_pb2.Function, function: Function, web: WebAddresses) -> None:
    """Write into a function's definition which addresses its endpoints have."""
    for address in web.addresses(function):
        method = address.endpoint.method
        part = definition.method_definitions[method] if method else definition
        part.web_url = web.url(address)
        part.web_url_info.CopyFrom(_info(address))


def _configs(asked: Asked) -> Iterator[tuple[str, str, api_pb2.WebhookConfig]]:
    if asked.webhook_config.type != NONE:
        yield "", asked.function_name, asked.webhook_config
    for method, definition in sorted(asked.method_definitions.items()):
        if definition.webhook_config.type != NONE:
            # That a class's name and its method's are joined by a dash is a guess.
            yield method, definition.function_name, definition.webhook_config


def _info(address: Address) -> api_pb2.WebUrlInfo:
    return known(
        api_pb2.WebUrlInfo,
        truncated=address.truncated,
        has_unique_hash=address.truncated,
        label_stolen=address.stolen,
    )

"""Proxy tokens, through the SDK's own calls where it has them."""

import modal
import pytest

if not hasattr(modal, "Workspace"):
    pytest.skip("this SDK has no call for proxy tokens", allow_module_level=True)


def test_the_sdk_makes_lists_and_ends_tokens(modal_emulator):
    tokens = modal.Workspace.from_context().proxy_tokens
    made = tokens.create(name="ci")
    assert (made.token_id[:3], made.token_secret[:3]) == ("wk-", "ws-")
    tokens.update(made.token_id, name="other")
    (listed,) = tokens.list()
    assert (listed.token_id, listed.name, listed.scoped) == (made.token_id, "other", False)
    modal_emulator.ask(lambda world: world.environments.create("prod"))
    assert [token.token_id for token in tokens.list(environment_name="prod")] == [made.token_id]

    scoped = modal_emulator.ask(lambda world: world.web_tokens.create(scoped=True)[0])
    assert len(tokens.list(environment_name="prod")) == 1
    tokens.allow(scoped.token_id, "prod")
    assert len(tokens.list(environment_name="prod")) == 2
    tokens.revoke(scoped.token_id, "prod")
    assert len(tokens.list(environment_name="prod")) == 1
    tokens.delete(made.token_id)
    with pytest.raises(modal.exception.NotFoundError, match="No Proxy Token"):
        tokens.delete(made.token_id)

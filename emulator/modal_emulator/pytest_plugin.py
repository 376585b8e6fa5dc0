"""The emulator in a test run: the fixture `modal_emulator`."""

__all__: list[str] = []

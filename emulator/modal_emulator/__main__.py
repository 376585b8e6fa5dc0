"""`python -m modal_emulator` is `modal-emulator`."""

from modal_emulator.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    main(prog_name="modal-emulator")

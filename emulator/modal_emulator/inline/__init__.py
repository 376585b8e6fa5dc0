"""The SDK's side of a container of threads: user code found, called and answered for."""

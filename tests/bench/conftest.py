"""What is noted beside the figures: how busy the machine was with other things."""

import os
from typing import Any


def pytest_benchmark_update_machine_info(config: object, machine_info: dict[str, Any]) -> None:
    """Note the load before the first benchmark: peers suffer from it as well, but not alike."""
    machine_info["load"] = os.getloadavg()[0]

"""What comes of a carousel's child that the platform could not make."""

import pytest

from engine.errors import ContainerGone, InputInvalid
from engine.platforms.graph import wait_for
from engine.ports import ContainerReading, ContainerState


@pytest.mark.parametrize(("is_permanent", "wanted"), [(True, InputInvalid), (False, ContainerGone)])
async def test_failed_part_is_made_anew_only_if_that_can_help(is_permanent, wanted):
    async def read() -> ContainerReading:
        return ContainerReading(ContainerState.FAILED, "no", is_permanent=is_permanent)

    with pytest.raises(wanted):
        await wait_for(read)

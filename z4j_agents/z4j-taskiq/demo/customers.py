"""Customers of the shop who send pictures to its photo studio."""

from __future__ import annotations

import asyncio
import random

import photos


async def main() -> None:
    for number in range(10**9):
        picture = f"{random.choice(['sofa', 'lamp', 'desk'])}-{number}.jpg"
        await photos.make_thumbnail.kiq(picture, width=random.choice([200, 400, 800]))
        if number % 5 == 1:
            await photos.upload.kiq(picture)
        if number % 4 == 2:
            await photos.tag.kiq(picture)
        if number % 6 == 3:
            await photos.sharpen.kiq(picture)
        if number % 11 == 4:
            await photos.cut_film.kiq(f"film {number}", random.randint(10, 25))
        await asyncio.sleep(random.uniform(2, 4))


if __name__ == "__main__":
    asyncio.run(main())

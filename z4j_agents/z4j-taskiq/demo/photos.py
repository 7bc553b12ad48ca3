"""The shop's photo studio, on taskiq: thumbnails, uploads, films. Nothing in the tasks knows of z4j."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import z4j_taskiq
from taskiq import SimpleRetryMiddleware
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

FOLDER = Path(os.environ["DEMO_FOLDER"])
REDIS = os.environ["DEMO_REDIS"]

broker = (
    ListQueueBroker(REDIS, queue_name="photos", socket_timeout=None)
    .with_result_backend(RedisAsyncResultBackend(REDIS, result_ex_time=3600))
    .with_middlewares(SimpleRetryMiddleware(default_retry_count=4), z4j_taskiq.Z4J())
)


class UploadRefused(Exception):
    """The storage takes no uploads just now. A moment later it does."""


@broker.task
async def make_thumbnail(picture: str, *, width: int) -> str:
    await asyncio.sleep(random.uniform(0.1, 0.6))
    return f"{picture} at {width} px"


@broker.task
async def upload(picture: str) -> str:
    """Every picture is refused once."""
    await asyncio.sleep(0.1)
    seen = FOLDER / f"upload-{picture}"
    if not seen.exists():
        seen.touch()
        raise UploadRefused(f"no room for {picture} yet")
    return picture


@broker.task(retry_on_error=True)
async def tag(picture: str) -> list[str]:
    """The model that knows what is on a picture is often too busy to answer."""
    await asyncio.sleep(0.2)
    if random.random() < 0.4:
        raise TimeoutError("the model did not answer")
    return random.sample(["table", "chair", "lamp", "shelf", "rug"], 2)


@broker.task
def sharpen(picture: str) -> str:
    time.sleep(random.uniform(0.2, 1))
    return picture


@broker.task
async def cut_film(title: str, seconds: int) -> str:
    for _ in range(seconds * 10):
        await asyncio.sleep(0.1)
    return f"{title}: {seconds} s"

"""A server that only sends files: nginx where it is installed, a small one of ours elsewhere; in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from benchmarks.prepared import BODY, CONTENT_TYPES, ROOT
from benchmarks.served import Served, cpu_of_process
from cornerstream.server import running_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0


def nginx_binary() -> str | None:
    """Where nginx is, if it is."""
    sbin = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which("nginx", path=sbin)


@contextmanager
def static_server(root: Path, *, quick: bool = False, nginx: str | None = nginx_binary()) -> Iterator[Served]:
    """Serve prepared bodies until the context ends.

    Args:
        root: As `prepare` wrote it.
        quick: A server of ours runs in a thread: a process takes a second to start.
        nginx: Its program; `None` takes a server of ours.

    Raises:
        RuntimeError: nginx did not start; the message has its log.
    """
    with _nginx(root, nginx) if nginx else _ours(root, quick=quick) as served:
        yield served


@contextmanager
def _nginx(root: Path, program: str) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    configuration, log = root / "nginx.conf", root / "nginx.log"
    configuration.write_text(_configuration(root, port))
    command = [program, "-p", str(root), "-c", str(configuration), "-e", str(log)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait_until_ready(process, port, log)
        yield Served("nginx", f"http://127.0.0.1:{port}{ROOT}", cpu_of_process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _configuration(root: Path, port: int) -> str:
    temporary = "\n".join(
        f"    {name}_temp_path {root}/temporary;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    locations = "\n".join(
        f"        location ~ {pattern} {{ default_type '{content_type}'; try_files $uri/{BODY} =404; }}"
        for pattern, content_type in CONTENT_TYPES
    )
    return f"""daemon off;
master_process off;
worker_processes 1;
pid {root}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ }}
    sendfile on;
    tcp_nopush off; # corked, the last packet of an answer now and then waits 40 ms for a delayed acknowledgement
    keepalive_requests 1000000;
{temporary}
    server {{
        listen 127.0.0.1:{port};
        root {root};
{locations}
        location / {{ return 404; }}
    }}
}}
"""


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            try:
                process.wait(0.02)  # nobody tells when it listens; its own end is noticed at once
            except subprocess.TimeoutExpired:
                continue
        else:
            return
    raise RuntimeError(f"nginx did not start:\n{log.read_text() if log.exists() else ''}")


@contextmanager
def _ours(root: Path, *, quick: bool) -> Iterator[Served]:
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    runner: threading.Thread | multiprocessing.process.BaseProcess = (
        threading.Thread(target=_serve, args=(str(root), there), daemon=True)
        if quick
        else spawn.Process(target=_serve_alone, args=(str(root), there), daemon=True)
    )
    runner.start()
    if not quick:
        there.close()
    pid = runner.pid if isinstance(runner, multiprocessing.process.BaseProcess) else None
    try:
        yield Served("static asyncio server", here.recv() + ROOT, cpu_of_process(pid or os.getpid()))
    finally:
        here.close()  # the server sees the end of the pipe and stops
        runner.join(_STOP_SECONDS)


def _serve_alone(root: str, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started it, which then ends the pipe
    _serve(root, pipe)


def _serve(root: str, pipe: Connection) -> None:
    asyncio.run(_answer(Path(root), pipe))
    pipe.close()


async def _answer(root: Path, pipe: Connection) -> None:
    async def send(request: web.Request) -> web.StreamResponse:
        path = request.path
        content_type = next((found for pattern, found in CONTENT_TYPES if re.search(pattern, path)), None)
        body = root / path.lstrip("/") / BODY
        if content_type is None or ".." in path or not body.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/{path:.*}", send)
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with running_app(app) as address:
        loop.add_reader(pipe.fileno(), closed.set)  # nothing is ever sent: it is the end
        pipe.send(address.origin)
        await closed.wait()
        loop.remove_reader(pipe.fileno())

"""The balancers of `deploy` as they are there, with this machine's addresses in the place of theirs."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGUSR1

from tests.deploy import DEPLOY
from tests.deploy.site import Part, Site
from tests.support.processes import Process

NGINX = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/parley-servers.conf;
    include {folder}/parley.conf;
}}
"""
"""What Debian's /etc/nginx/nginx.conf says around the files, for a process of the tests."""


def moved(source: Path, folder: Path, here: Mapping[str, str]) -> Path:
    """Copy a file into the folder with each text in it replaced; all must occur in it."""
    text = source.read_text()
    for there, replacement in here.items():
        assert there in text, f"{source} does not say {there}"
        text = text.replace(there, replacement)
    copy = folder / source.name
    copy.write_text(text)
    return copy


@contextmanager
def haproxy(site: Site) -> Iterator[None]:
    """Run HAProxy before the site."""
    at = site.balancer
    places = {
        "bind :::80 v4v6\n": f"bind {at.address}:{at.http}\n",
        "bind :::443 v4v6 ": f"bind {at.address}:{at.https} ",
        "/etc/parley/tls.pem": str(site.certified.both),
        "bind :8080\n": f"bind 127.0.0.1:{at.reports}\n",
        "bind :8404\n": f"bind 127.0.0.1:{at.operators}\n",
    }
    folder = DEPLOY / "haproxy"
    usual = moved(folder / "haproxy.cfg", site.folder, places)
    servers = moved(folder / "servers.cfg", site.folder, _servers(site))
    with servers.open("a") as file:  # it ends with those of the nodes
        file.writelines(f"    server {name} {node.address}\n" for name, node in _further(site).items())
    argv = ["haproxy", "-db", "-f", str(usual), "-f", str(servers)]
    with Process(argv, site.folder / "haproxy.log", by=SIGUSR1):
        yield


@contextmanager
def nginx(site: Site) -> Iterator[None]:
    """Run nginx before the site."""
    at = site.balancer
    places = {
        "listen 80;": f"listen 127.0.0.1:{at.http};",
        "listen 443 ": f"listen 127.0.0.1:{at.https} ",
        "listen [::]:80;": "",
        "listen [::]:443 ssl http2;": "",
        "/etc/parley/tls.pem": str(site.certified.certificate),
        "/etc/parley/tls.key": str(site.certified.key),
        "listen 8080;": f"listen 127.0.0.1:{at.reports};",
    }
    folder = DEPLOY / "nginx"
    moved(folder / "parley.conf", site.folder, places)
    moved(folder / "parley-servers.conf", site.folder, _servers(site))
    main = site.folder / "nginx.conf"
    user = "root" if os.geteuid() == 0 else "nobody"
    main.write_text(NGINX.format(folder=site.folder, user=user))
    with Process(["nginx", "-c", str(main)], site.folder / "nginx.log"):
        yield


def _further(site: Site) -> dict[str, Part]:
    """Return the nodes that the files do not name."""
    return {name: node for name, node in site.nodes.items() if name not in ("node-1", "node-2")}


def _servers(site: Site) -> dict[str, str]:
    """Return where control and the nodes are, by where the files say they are."""
    controls, nodes = site.controls, site.nodes
    return {f"10.0.0.1{n}:8080": controls[f"control-{n}"].address for n in (1, 2)} | {
        f"10.0.0.2{n}:8081": nodes[f"node-{n}"].address for n in (1, 2)
    }

"""What is made of a server's page of metrics."""

import pytest

from tests.load.scraping import Scrape, Target, Usage, parse, usage

PAGE = """\
# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
# HELP parley_node_packets_in_total Datagrams received.
# TYPE parley_node_packets_in_total counter
parley_node_packets_in_total 1000.0
# HELP parley_node_packets_out_total Datagrams sent.
# TYPE parley_node_packets_out_total counter
parley_node_packets_out_total 4000.0
# HELP parley_node_peers Peers in all rooms.
# TYPE parley_node_peers gauge
parley_node_peers 7.0
# HELP parley_node_links Encrypted pipes to peers, by state.
# TYPE parley_node_links gauge
parley_node_links{state="connected"} 7.0
"""


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("http://10.0.0.5:8081/metrics", "10.0.0.5:8081", "http://10.0.0.5:8081/metrics"),
        ("http://10.0.0.5:8081", "10.0.0.5:8081", "http://10.0.0.5:8081/metrics"),
        ("http://10.0.0.5:8081/", "10.0.0.5:8081", "http://10.0.0.5:8081/metrics"),
        ("ams=https://a.example/node-1/metrics", "ams", "https://a.example/node-1/metrics"),
        ("https://a.example/metrics?of=1", "a.example", "https://a.example/metrics?of=1"),
    ],
)
def test_a_target_has_a_name(text: str, name: str, url: str) -> None:
    assert Target.of(text) == Target(name, url)


@pytest.mark.parametrize(
    "text", ["", "node-1", "node-1=", "ftp://a.example", "file:///etc/passwd", "http://"]
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match="is no URL such as"):
        Target.of(text)


def test_usage_is_what_grew_between_two_scrapes() -> None:
    before, later = parse(PAGE, 10.0), PAGE.replace("12.5", "13.5").replace(" 4000.0", " 4200.0")
    assert usage(before, parse(later, 12.0)) == Usage(
        cpu=0.5, packets_in_per_s=0.0, packets_out_per_s=100.0, peers=7.0, rooms=None
    )


def test_a_server_that_began_anew_used_nothing_less_than_nothing() -> None:
    restarted = parse(PAGE.replace("12.5", "0.5"), 12.0)
    assert usage(parse(PAGE, 10.0), restarted).cpu == 0.0


def test_what_a_page_does_not_tell_is_not_known() -> None:
    assert usage(Scrape(0.0, {}), parse("", 1.0)) == Usage()
    assert usage(parse(PAGE, 0.0), parse(PAGE.replace("12.5", "NaN"), 1.0)).cpu is None


def test_a_page_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError):
        parse("<html>502 Bad Gateway</html>", 0.0)

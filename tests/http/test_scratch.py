import socket, time, json, msgspec
import pytest
from tests.http.conftest import *
from ops.embedded.postgres import Postgres
from app.migrations import migrate


def test_q(api, problem_of):
    for u in ["/uploads?state=zzz", "/uploads?limit=0", "/uploads/x"]:
        r = api.http.get(u)
        print(u, r.status_code, dict(r.headers), r.text[:400])


def test_export(api, domain, settings):
    domain.execute("insert into users select g, 'user'||g, 'User'||g from generate_series(1,100000) g")
    domain.execute(
        "insert into edges select 1+g/10, 1+(g::bigint*7919)%100000, 1, 1, now(), now(), now() from generate_series(1,900000) g on conflict do nothing"
    )
    domain.execute("analyze edges")
    domain.execute("analyze users")
    import resource

    for _ in range(2):
        t = time.time()
        n = 0
        with api.http.stream("GET", "/export/edges.csv") as r:
            for c in r.iter_raw():
                n += len(c)
        print(n, time.time() - t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    for _ in range(4):
        s = api.connect()
        s.sendall(b"GET /export/edges.csv HTTP/1.1\r\nHost: x\r\n\r\n")
        s.recv(100)
        s.close()
    t = time.time()
    until(
        lambda: (
            domain.execute(
                "select count(*) from pg_stat_activity where application_name like %s and state='active' and datname=current_database()",
                ["%export%"],
            ).fetchone()
            == (0,)
        ),
        within=10,
        what="x",
    )
    print("freed", time.time() - t)
    print(
        domain.execute(
            "select application_name, state, query from pg_stat_activity where datname=current_database()"
        ).fetchall()
    )


def test_stall(serve, domain, settings):
    api = serve(msgspec.structs.replace(settings, receive_timeout=1.0))
    domain.execute("insert into users select g, 'user'||g, 'User'||g from generate_series(1,100000) g")
    domain.execute(
        "insert into edges select 1+g/10, 1+(g::bigint*7919)%100000, 1, 1, now(), now(), now() from generate_series(1,900000) g on conflict do nothing"
    )
    s = api.connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(b"GET /export/edges.csv HTTP/1.1\r\nHost: x\r\n\r\n")
    s.recv(100)
    time.sleep(4)
    n = 0
    try:
        while c := s.recv(1 << 20):
            n += len(c)
            last = c
    except OSError as e:
        print(e)
    print(n, last[-20:])
    s.close()
    print(
        domain.execute(
            "select application_name, state, query from pg_stat_activity where datname=current_database()"
        ).fetchall()
    )


def test_pg(serve, settings, server_directory):
    pg = Postgres(server_directory / "pg", durable=False)
    pg.start()
    url = pg.dsn("postgres")
    print(url)
    migrate(url)
    pg.stop()
    s2 = msgspec.structs.replace(settings, database_url=url)
    api = serve(s2)
    print("up")
    t = time.time()
    r = api.http.get("/health/ready")
    print(time.time() - t, r.status_code, r.text)
    t = time.time()
    r = api.http.get("/uploads")
    print(time.time() - t, r.status_code, r.headers, r.text)
    t = time.time()
    r = api.upload(b"data,timestamp,username\nhi @bob,2026-01-15T11:00:00Z,ada\n")
    print(time.time() - t, r.status_code, r.headers, r.text)
    while time.time() - t < 20:
        api.http.get("/health/ready")
        time.sleep(0.5)
    pg.start()
    t = time.time()
    while api.http.get("/health/ready").status_code != 200:
        time.sleep(0.1)
    print("recovered", time.time() - t)
    pg.stop()
    t = time.time()
    while time.time() - t < 20:
        api.http.get("/health/ready")
        time.sleep(0.5)
    pg.start()
    t = time.time()
    while api.http.get("/health/ready").status_code != 200:
        time.sleep(0.1)
    print("recovered", time.time() - t)
    pg.stop()

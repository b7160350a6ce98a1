"""What a web service does all day: parse requests, route them, validate, look things up, answer in JSON and HTML."""

import base64
import collections
import datetime
import email.parser
import email.policy
import enum
import functools
import hashlib
import hmac
import html
import http.cookies
import io
import json
import logging
import re
import string
import typing
import urllib.parse
import uuid
from dataclasses import asdict, dataclass, field, replace

logger = logging.getLogger("service")
ROUTES = [
    (re.compile(pattern), name)
    for pattern, name in [
        (r"^/$", "home"),
        (r"^/orders/(?P<order>\d+)$", "order"),
        (r"^/orders/(?P<order>\d+)/lines/(?P<line>[a-z0-9-]+)$", "line"),
        (r"^/search$", "search"),
        (r"^/static/(?P<path>[\w./-]+)$", "static"),
    ]
]


class Status(enum.Enum):
    OPEN = "open"
    PAID = "paid"
    SENT = "sent"


class Permission(enum.IntFlag):
    READ = 1
    WRITE = 2
    ADMIN = 4


@dataclass(frozen=True, slots=True)
class Line:
    sku: str
    count: int
    price: float
    tags: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        return self.count * self.price


@dataclass
class Order:
    number: int
    customer: str
    status: Status = Status.OPEN
    lines: list[Line] = field(default_factory=list)
    note: str | None = None

    def total(self) -> float:
        return sum(line.total for line in self.lines)


class ValidationError(ValueError):
    def __init__(self, where: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.where = where


class Field:
    """A descriptor that checks what is assigned."""

    def __init__(self, kind: type, minimum: float | None = None, required: bool = True) -> None:
        self.kind, self.minimum, self.required = kind, minimum, required

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.slot = "_" + name

    def __get__(self, instance, owner=None):
        return self if instance is None else instance.__dict__.get(self.slot)

    def __set__(self, instance, value) -> None:
        if value is None:
            if self.required:
                raise ValidationError((self.name,), "is missing")
        elif not isinstance(value, self.kind):
            try:
                value = self.kind(value)
            except (TypeError, ValueError) as fault:
                raise ValidationError((self.name,), str(fault)) from None
        if self.minimum is not None and value is not None and value < self.minimum:
            raise ValidationError((self.name,), f"is below {self.minimum}")
        instance.__dict__[self.slot] = value


class Model:
    def __init_subclass__(cls, **given) -> None:
        super().__init_subclass__(**given)
        cls.fields = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}

    def __init__(self, **given) -> None:
        errors = []
        for name in self.fields:
            try:
                setattr(self, name, given.pop(name, None))
            except ValidationError as fault:
                errors.append((fault.where, str(fault)))
        if errors or given:
            raise ValidationError(tuple(given), "; ".join(f"{'.'.join(where)}: {text}" for where, text in errors))


class LineModel(Model):
    sku = Field(str)
    count = Field(int, minimum=1)
    price = Field(float, minimum=0)


class OrderModel(Model):
    number = Field(int, minimum=1)
    customer = Field(str)
    note = Field(str, required=False)


def parse(raw: bytes):
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.decode("ascii").split(" ", 2)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    url = urllib.parse.urlsplit(target)
    query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
    cookies = http.cookies.SimpleCookie(headers.get("cookie", ""))
    return method, url.path, headers, query, {name: morsel.value for name, morsel in cookies.items()}, body


def route(path: str):
    for pattern, name in ROUTES:
        if found := pattern.match(path):
            return name, found.groupdict()
    raise LookupError(path)


def middleware(handler: typing.Callable):
    @functools.wraps(handler)
    def wrapped(request, **given):
        try:
            return handler(request, **given)
        except ValidationError as fault:
            return 422, {"error": str(fault), "where": list(fault.where)}
        except LookupError as fault:
            return 404, {"error": repr(fault)}
        finally:
            logger.debug("%s done after %d", request[1], len(given))

    return wrapped


@functools.lru_cache(maxsize=64)
def sign(text: str, key: bytes = b"secret") -> str:
    return base64.urlsafe_b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()


TEMPLATE = string.Template("<li class='$kind'><a href='$link'>$title</a> <em>$price</em></li>")


def render(orders: list[Order]) -> str:
    parts = ["<ul>"]
    for order in orders:
        for line in order.lines:
            parts.append(
                TEMPLATE.substitute(
                    kind=order.status.value,
                    link=urllib.parse.quote(f"/orders/{order.number}/lines/{line.sku}"),
                    title=html.escape(f"{line.sku} for {order.customer}"),
                    price=f"{line.total:,.2f}",
                )
            )
        parts.append(f"<p>{order.customer!s:>20}|{order.total():>12.3f}|{len(order.lines):04d}</p>")
    parts.append("</ul>")
    return "".join(parts)


@middleware
def handle(request, store: dict[int, Order]):
    method, path, headers, query, cookies, body = request
    name, found = route(path)
    rights = Permission(int(cookies.get("rights", "1")))
    if name == "order" and method == "POST":
        if Permission.WRITE not in rights:
            return 403, {"error": "not allowed"}
        given = json.loads(body)
        lines = [LineModel(**line) for line in given.pop("lines")]
        model = OrderModel(**given)
        order = Order(
            model.number,
            model.customer,
            note=model.note,
            lines=[Line(line.sku, line.count, line.price, tuple(query.get("tag", ()))) for line in lines],
        )
        store[order.number] = order
        return 201, asdict(order) | {"status": order.status.value, "total": order.total(), "signature": sign(order.customer)}
    if name == "order":
        order = store[int(found["order"])]
        return 200, {**asdict(order), "status": order.status.value}
    if name == "search":
        word = query["q"][0].casefold()
        hits = [order for order in store.values() if word in order.customer.casefold()]
        hits.sort(key=lambda order: (-order.total(), order.number))
        return 200, {"hits": [order.number for order in hits[:20]], "html": render(hits[:5])}
    return 200, {"name": name, **found}


def respond(status: int, content) -> bytes:
    body = json.dumps(content, default=str, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {
        "content-type": "application/json; charset=utf-8",
        "content-length": str(len(body)),
        "date": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "x-request-id": str(uuid.UUID(int=hash(body) & (1 << 128) - 1)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1") + body


def requests(count: int):
    names = ["Ada Lovelace", "Grace Hopper", "Äußerst Ölig", "李小龍", "Edsger W. Dijkstra"]
    for number in range(1, count):
        customer = names[number % len(names)]
        if number % 3 == 0:
            body = json.dumps(
                {
                    "number": number,
                    "customer": customer,
                    "note": None if number % 2 else "line one\nline \"two\"\t\u2028",
                    "lines": [{"sku": f"sku-{i}", "count": i % 7, "price": i * 1.25} for i in range(number % 9)],
                }
            ).encode()
            target = f"/orders/{number}?tag=a&tag=b%20c"
            method = "POST"
        else:
            body, method = b"", "GET"
            target = f"/orders/{number // 2}" if number % 2 else f"/search?q={urllib.parse.quote_plus(customer.split()[0])}"
        yield (
            f"{method} {target} HTTP/1.1\r\nHost: example.org\r\nUser-Agent: trainer/1.0\r\nAccept: */*\r\n"
            f"Cookie: rights={number % 8}; session={number:x}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def forms(count: int) -> int:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    total = 0
    for number in range(count):
        message = parser.parsebytes(
            b"Content-Type: text/plain; charset=utf-8\r\nSubject: =?utf-8?q?Caf=C3=A9?= %d\r\nTo: a@example.org\r\n\r\nhello\r\n" % number
        )
        total += len(message["subject"]) + len(message.get_content())
    return total


def main() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    store: dict[int, Order] = {}
    statuses = collections.Counter()
    for _ in range(3):
        for raw in requests(900):
            request = parse(raw)
            status, content = handle(request, store=store)
            statuses[status] += 1
            if status >= 400:
                logger.warning("%s %s: %d %s", request[0], request[1], status, content["error"])
            elif status == 201:
                logger.info("made %(number)d for %(customer)s", content)
            respond(status, content)
    for number, order in list(store.items()):
        store[number] = replace(order, status=Status.PAID, lines=[*order.lines, Line("gift", 1, 0.0)])
    render(list(store.values()))
    forms(150)
    print(dict(statuses), len(stream.getvalue()))


if __name__ == "__main__":
    main()

"""What of a project is started is found where one thing can be meant, and asked for where not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bivy.app.project import read_project
from bivy.app.start import servers
from bivy.errors import UsageError
from tests.app.projects import NAMED, write_files

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "import flask\napp = flask.Flask(__name__)\n"
WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
ASGI = "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n"
UVICORN = ("--host", "0.0.0.0", "--port", "8000")


def started(folder: Path, requirements: str, files: dict[str, str]) -> tuple[str, ...]:
    return read_project(write_files(folder, {"requirements.txt": requirements, **files})).start


def refusal(folder: Path, requirements: str, files: dict[str, str]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        started(folder, requirements, files)
    return caught.value


def with_scripts(*names: str) -> str:
    return NAMED + "[project.scripts]\n" + "".join(f'{name} = "shop:main"\n' for name in names)


def test_the_only_script_is_started_before_anything_else(tmp_path: Path) -> None:
    files = {"pyproject.toml": with_scripts("till"), "shop/__main__.py": "", "main.py": FASTAPI}
    assert started(tmp_path, "uvicorn", files) == ("till",)


def test_of_several_scripts_that_with_the_projects_name_is_started(tmp_path: Path) -> None:
    assert started(tmp_path, "", {"pyproject.toml": with_scripts("till", "shop")}) == ("shop",)


def test_several_scripts_are_a_question(tmp_path: Path) -> None:
    fault = refusal(tmp_path, "", {"pyproject.toml": with_scripts("till", "stock"), "main.py": ""})
    assert str(fault) == "shop has 2 scripts"
    assert 'script = "till"' in (fault.hint or "")
    assert 'script = "stock"' in (fault.hint or "")


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("uvicorn[standard]>=0.30 ; python_version > '3'", ("uvicorn", "shop.web:app", *UVICORN)),
        ("fastapi[standard]", ("uvicorn", "shop.web:app", *UVICORN)),
        ("Hypercorn", ("hypercorn", "shop.web:app", "--bind", "0.0.0.0:8000")),
        ("granian", ("granian", "--interface", "asgi", "shop.web:app", *UVICORN)),
        ("daphne", ("daphne", "-b", "0.0.0.0", "-p", "8000", "shop.web:app")),
    ],
)
def test_an_asgi_application_is_served_by_what_it_depends_on(
    tmp_path: Path, requirement: str, words: tuple[str, ...]
) -> None:
    project = read_project(
        write_files(tmp_path, {"requirements.txt": f"{requirement}\n", "shop/__init__.py": "", "shop/web.py": FASTAPI})
    )
    assert project.start == words
    assert project.ports == ("8000/tcp",)
    assert "shop.web:app is an application made by FastAPI" in project.why


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("gunicorn", ("gunicorn", "web:app", "--bind", "0.0.0.0:8000")),
        ("waitress", ("waitress-serve", "--host=0.0.0.0", "--port=8000", "web:app")),
        ("granian", ("granian", "--interface", "wsgi", "web:app", *UVICORN)),
    ],
)
def test_a_wsgi_application_is_served_by_what_it_depends_on(
    tmp_path: Path, requirement: str, words: tuple[str, ...]
) -> None:
    assert started(tmp_path, f"flask\n{requirement}\nuvicorn", {"web.py": FLASK}) == words


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("import fastapi as f\nserver = f.FastAPI(title='x')\n", "web:server"),
        ("from starlette.applications import Starlette as S\napp: object = S()\n", "web:app"),
        ("from litestar import Litestar\nif True:\n    app = Litestar([])\n", "web:app"),
        ("from quart import Quart\nold = Quart('a')\napp = Quart('b')\n", "web:app"),
        ("from channels.routing import ProtocolTypeRouter\napplication = ProtocolTypeRouter({})\n", "web:application"),
        ("from fastapi import FastAPI\ndef make(debug=False):\n    return FastAPI()\napp = make()\n", "web:app"),
    ],
)
def test_applications_are_known_by_what_makes_them(tmp_path: Path, code: str, place: str) -> None:
    assert started(tmp_path, "uvicorn", {"web.py": code}) == ("uvicorn", place, *UVICORN)


FACTORY = "from fastapi import FastAPI\ndef create_app(debug=False):\n    app = FastAPI()\n    return app\n"


def test_a_function_that_makes_the_application_is_called(tmp_path: Path) -> None:
    assert started(tmp_path, "uvicorn", {"web.py": FACTORY}) == ("uvicorn", "web:create_app", "--factory", *UVICORN)


def test_a_wsgi_function_is_called_as_its_server_has_it(tmp_path: Path) -> None:
    code = "from flask import Flask\ndef create_app():\n    app = Flask('a')\n    return app\n"
    words = ("gunicorn", "web:create_app()", "--bind", "0.0.0.0:8000")
    assert started(tmp_path, "gunicorn", {"web.py": code}) == words


def test_a_function_that_needs_something_is_not_called(tmp_path: Path) -> None:
    code = FACTORY.replace("debug=False", "debug")
    assert started(tmp_path, "uvicorn", {"web.py": code, "main.py": ""}) == ("python3", "/app/main.py")


def test_an_application_that_another_module_has_made_is_the_one(tmp_path: Path) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/web.py": FACTORY,
        "serve.py": "from shop.web import create_app\napp = create_app()",
    }
    assert started(tmp_path, "uvicorn", files) == ("uvicorn", "serve:app", *UVICORN)


def test_what_is_only_called_like_an_application_is_none(tmp_path: Path) -> None:
    code = "class FastAPI: pass\napp = FastAPI()\ntext = 'app = FastAPI()'\n"
    assert started(tmp_path, "uvicorn", {"main.py": code}) == ("python3", "/app/main.py")


def test_applications_in_tests_and_examples_are_not_meant(tmp_path: Path) -> None:
    aids = ["tests/app.py", "docs/app.py", "examples/a/app.py", "test_app.py", "conftest.py"]
    files = {**dict.fromkeys(aids, FASTAPI), "web.py": FASTAPI}
    assert started(tmp_path, "uvicorn", files) == ("uvicorn", "web:app", *UVICORN)


def test_two_applications_are_a_question(tmp_path: Path) -> None:
    fault = refusal(tmp_path, "uvicorn", {"web.py": FASTAPI, "admin.py": FASTAPI})
    assert "2 ways to serve its web application" in str(fault)
    assert '"admin:app"' in (fault.hint or "")


def test_django_is_served_by_the_protocol_that_its_server_has(tmp_path: Path) -> None:
    site = {"manage.py": "", "site/settings.py": "", "site/__init__.py": "", "site/wsgi.py": WSGI, "site/asgi.py": ASGI}
    assert started(tmp_path / "a", "django\ngunicorn", site)[:2] == ("gunicorn", "site.wsgi:application")
    assert started(tmp_path / "b", "django\nuvicorn", site)[:2] == ("uvicorn", "site.asgi:application")
    assert "2 ways" in str(refusal(tmp_path / "c", "django\nuvicorn\ngunicorn", site))


def test_a_site_in_a_folder_of_its_own_is_imported_from_there(tmp_path: Path) -> None:
    files = {"web/manage.py": "", "web/site/__init__.py": "", "web/site/wsgi.py": WSGI, "requirements.txt": "gunicorn"}
    project = read_project(write_files(tmp_path, files))
    assert project.start[:2] == ("gunicorn", "site.wsgi:application")
    assert project.imports == (".", "web")
    write_files(tmp_path, {"bivy.toml": 'entrypoint = ["gunicorn", "site.wsgi:application"]'})
    assert read_project(tmp_path).imports == (".", "web")


def test_a_folder_without_init_is_a_package_all_the_same(tmp_path: Path) -> None:
    assert started(tmp_path, "uvicorn", {"app/main.py": FASTAPI})[1] == "app.main:app"
    assert started(tmp_path, "uvicorn", {"app/main.py": "", "src/shop/web/main.py": FASTAPI})[1] == "shop.web.main:app"


def test_an_application_that_nothing_serves_is_started_by_its_own_program(tmp_path: Path) -> None:
    assert started(tmp_path, "flask", {"main.py": FLASK}) == ("python3", "/app/main.py")


def test_an_application_that_nothing_serves_and_nothing_starts_says_what_would(tmp_path: Path) -> None:
    fault = refusal(tmp_path, "flask", {"shop/web.py": FLASK, "shop/other.py": ""})
    assert "made by Flask in shop.web, and nothing that serves it is among its dependencies" in str(fault)
    assert "add gunicorn or waitress to them" in (fault.hint or "")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["shop/__main__.py", "main.py"], ("python3", "-m", "shop")),
        (["src/shop/__main__.py"], ("python3", "-m", "shop")),
        (["shop/__main__.py", "other/__main__.py"], ("python3", "-m", "shop")),
        (["tests/__main__.py", "main.py"], ("python3", "/app/main.py")),
        (["__main__.py", "shop/a.py"], ("python3", "/app/__main__.py")),
        (["app.py", "setup.py"], ("python3", "/app/app.py")),
        (["job.py", "conftest.py"], ("python3", "/app/job.py")),
        (["src/main.py", "src/shop/a.py"], ("python3", "/app/src/main.py")),
    ],
)
def test_else_a_package_or_a_file_is_started(tmp_path: Path, files: list[str], words: tuple[str, ...]) -> None:
    assert started(tmp_path, "", {"pyproject.toml": NAMED, **dict.fromkeys(files, "")}) == words


def test_of_two_files_that_which_is_a_program_is_started(tmp_path: Path) -> None:
    fault = refusal(tmp_path, "", {"main.py": "", "app.py": ""})
    assert 'entrypoint = ["python3", "/app/app.py"]' in (fault.hint or "")
    assert started(tmp_path, "", {"main.py": "if __name__ == '__main__': run()"}) == ("python3", "/app/main.py")


def test_nothing_to_start_is_said_with_how_to_say_it(tmp_path: Path) -> None:
    fault = refusal(tmp_path, "", {"shop/a.py": "", "shop/b.py": ""})
    assert "has nothing that is known to be started" in str(fault)
    assert "module = " in (fault.hint or "")


def test_what_is_told_is_started(tmp_path: Path) -> None:
    write_files(tmp_path, {"pyproject.toml": with_scripts("till", "shop"), "shop/work.py": "", "tool/x.py": ""})

    def told(**options: object) -> tuple[str, ...]:
        return read_project(tmp_path, options).start

    assert told(script="till") == ("till",)
    assert told(module="shop.work") == ("python3", "-m", "shop.work")
    assert told(module="http.server") == ("python3", "-m", "http.server")
    assert told(entrypoint=["sh", "-c", "true"]) == ("sh", "-c", "true")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe FastAPI(", b"FastAPI(" + b"(" * 9000, b"app = FastAPI(\n", b"\0Flask()"]
)
def test_code_that_cannot_be_read_is_passed_over(tmp_path: Path, content: bytes) -> None:
    write_files(tmp_path, {"odd.py": content, "web.py": FASTAPI, "requirements.txt": "uvicorn"})
    assert read_project(tmp_path).start[1] == "web:app"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.sampled_from([
    "from fastapi import FastAPI", "app = FastAPI()", "app = app", "def app(): return app", "app = create()",
    "def create(): return FastAPI()", "def create(): return create()", "from .main import *", "class FastAPI: pass",
    "app: FastAPI", "app = other = FastAPI()", "del app", "with FastAPI() as app: pass",
    "import fastapi; fastapi.FastAPI()",
]), max_size=6))  # fmt: skip
def test_any_code_is_read_or_passed_over(tmp_path: Path, lines: list[str]) -> None:
    assert started(tmp_path, "uvicorn", {"main.py": "\n".join(lines)})


def test_requirements_that_are_none_are_passed_over() -> None:
    assert servers(["uvicorn", "not a requirement", "litestar[standard]"]) == {"uvicorn", "litestar"}

"""A small web program with Starlette; Mangum makes a handler of AWS Lambda of it, and nothing else differs."""

from mangum import Mangum
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

GREETINGS = {"de": "Guten Tag", "en": "Hello", "fr": "Bonjour", "zh": "你好"}


def greeting(lang, name):
    if lang not in GREETINGS:
        raise HTTPException(404, f"no greeting in {lang}")
    return {"text": f"{GREETINGS[lang]}, {name}!"}


async def home(request):
    return HTMLResponse("<h1>Greetings</h1>\n")


async def languages(request):
    limit = int(request.query_params.get("limit", len(GREETINGS)))
    return JSONResponse(list(GREETINGS)[:limit])


async def read(request):
    name = request.query_params.get("name", "world")
    return JSONResponse(greeting(request.path_params["lang"], name))


async def make(request):
    wanted = await request.json()
    return JSONResponse(greeting(wanted["lang"], wanted["name"]), 201)


async def login(request):
    response = PlainTextResponse("welcome")
    response.set_cookie("name", "ann", httponly=True)
    response.set_cookie("theme", "dark")
    return response


async def whoami(request):
    return PlainTextResponse(request.cookies.get("name", "nobody"))


async def reverse(request):
    body = await request.body()
    return Response(body[::-1], media_type="application/octet-stream")


app = Starlette(
    routes=[
        Route("/", home),
        Route("/greetings", languages),
        Route("/greetings", make, methods=["POST"]),
        Route("/greetings/{lang}", read),
        Route("/login", login, methods=["POST"]),
        Route("/whoami", whoami),
        Route("/reverse", reverse, methods=["POST"]),
    ]
)

handler = Mangum(app, lifespan="off")

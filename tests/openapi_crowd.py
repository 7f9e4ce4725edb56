"""An OpenAPI document of thousands of operations, as large services have them: schemas that refer to each other and in
circles, parameters and answers that are shared."""


def crowd(operations, *, schemas=200):
    """`operations` are spread over five methods a path."""
    paths = {}
    methods = ("get", "post", "put", "patch", "delete")
    for number in range(operations):
        place, method = divmod(number, len(methods))
        item = paths.setdefault(
            f"/shops/{{shop_id}}/things{place}/{{id}}",
            {"parameters": [{"$ref": "#/components/parameters/shop_id"}, {"$ref": "#/components/parameters/id"}]},
        )
        item[methods[method]] = _operation(number, methods[method], number % schemas)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Crowd", "version": "1"},
        "servers": [{"url": "https://crowd.example.com/v1"}],
        "paths": paths,
        "components": {
            "parameters": {
                "shop_id": {"name": "shop_id", "in": "path", "required": True, "schema": {"type": "string"}},
                "id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
            },
            "schemas": {f"Thing{number}": _schema(number, schemas) for number in range(schemas)},
        },
    }


def _operation(number, method, thing):
    reference = {"$ref": f"#/components/schemas/Thing{thing}"}
    made = {
        "operationId": f"things/{method}-{number}",
        "tags": [f"things{number % 20}"],
        "summary": f"What is done with thing {number}.",
        "description": "It is **done** at once, and told in full. " * 4,
        "parameters": [{"name": "page[size]", "in": "query", "schema": {"type": "integer", "default": 20}}],
        "responses": {"200": {"description": "fine", "content": {"application/json": {"schema": reference}}}},
    }
    if method in ("post", "put", "patch"):
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
    return made


def _schema(number, schemas):
    return {
        "type": "object",
        "required": ["name"],
        "properties": {
            "id": {"type": "integer", "readOnly": True},
            "name": {"type": "string", "description": f"How thing {number} is called."},
            "note": {"type": "string", "nullable": True},
            "parent": {"$ref": f"#/components/schemas/Thing{number}"},
            "next": {"$ref": f"#/components/schemas/Thing{min(number + 1, schemas - 1)}"},
        },
    }

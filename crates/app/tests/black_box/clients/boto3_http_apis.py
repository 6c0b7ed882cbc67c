"""HTTP APIs through boto3: made of their parts, changed, refused, paged, tagged and deleted."""

import datetime
import json
import os
import urllib.error
import urllib.request

import boto3
from functions import create, raises

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
functions = boto3.client("lambda")
client = boto3.client("apigatewayv2")

SOURCE = """
def handler(event, context):
    return {"route": event["routeKey"], "path": event.get("pathParameters"), "variables": event.get("stageVariables")}
"""
arn = create(functions, "pets", SOURCE)["FunctionArn"]


def get(api_id, path, method="GET"):
    """What the API answers: status and document. By path, as names below localhost resolve nowhere."""
    request = urllib.request.Request(f"{ENDPOINT}/_aws/execute-api/{api_id}{path}", method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def permit(api_id, source="*"):
    functions.add_permission(
        FunctionName="pets", StatementId=f"api-{api_id}", Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{api_id}/{source}",
    )


# Quick create: an API, and all that it needs to serve a function.
quick = client.create_api(Name="quick", ProtocolType="HTTP", Target=arn, Tags={"team": "pets"})
quick_id = quick["ApiId"]
assert quick["ApiEndpoint"].endswith(ENDPOINT.removeprefix("http://127.0.0.1")), quick
assert f"http://{quick_id}.execute-api.us-east-1." in quick["ApiEndpoint"], quick
assert quick["ProtocolType"] == "HTTP" and quick["Tags"] == {"team": "pets"}, quick
assert isinstance(quick["CreatedDate"], datetime.datetime), quick
# The function must let the API in.
assert get(quick_id, "/anything") == (500, {"message": "Internal Server Error"})
permit(quick_id)
assert get(quick_id, "/anything") == (200, {"route": "$default", "path": None, "variables": None})
(stage,) = client.get_stages(ApiId=quick_id)["Items"]
assert stage["StageName"] == "$default" and stage["AutoDeploy"] and stage["ApiGatewayManaged"], stage
with raises("BadRequestException", 400):
    client.delete_route(ApiId=quick_id, RouteId=client.get_routes(ApiId=quick_id)["Items"][0]["RouteId"])

# Of its parts.
api_id = client.create_api(Name="pets", ProtocolType="HTTP", Version="1", Description="all pets")["ApiId"]
integration = client.create_integration(
    ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0", TimeoutInMillis=20000
)
assert integration["IntegrationMethod"] == "POST" and integration["ConnectionType"] == "INTERNET", integration
target = f"integrations/{integration['IntegrationId']}"
route = client.create_route(ApiId=api_id, RouteKey="GET /pets/{id}", Target=target)
assert route["AuthorizationType"] == "NONE" and route["ApiKeyRequired"] is False, route
with raises("ConflictException", 409, "Route with key GET /pets/{id} already exists for this API"):
    client.create_route(ApiId=api_id, RouteKey="GET /pets/{id}")
with raises("BadRequestException", 400):
    client.create_route(ApiId=api_id, RouteKey="nonsense")
with raises("NotFoundException", 404, "Invalid Integration identifier specified"):
    client.create_route(ApiId=api_id, RouteKey="GET /zoo", Target="integrations/abc1234")
prod = client.create_stage(ApiId=api_id, StageName="prod", StageVariables={"colour": "red"})
assert prod["AutoDeploy"] is False and "DeploymentId" not in prod, prod
with raises("ConflictException", 409, "Stage already exists"):
    client.create_stage(ApiId=api_id, StageName="prod")
permit(api_id, "*/*/pets/{id}")
assert get(api_id, "/prod/pets/7") == (404, {"message": "Not Found"})
deployment = client.create_deployment(ApiId=api_id, StageName="prod", Description="first")
assert deployment["DeploymentStatus"] == "DEPLOYED" and deployment["AutoDeployed"] is False, deployment
expected = {"route": "GET /pets/{id}", "path": {"id": "7"}, "variables": {"colour": "red"}}
assert get(api_id, "/prod/pets/7") == (200, expected)

# What is changed is served after the next deployment, or at once.
client.update_route(ApiId=api_id, RouteId=route["RouteId"], RouteKey="ANY /pets/{id}")
assert get(api_id, "/prod/pets/7", "PUT")[0] == 404
changed = client.update_stage(ApiId=api_id, StageName="prod", AutoDeploy=True)
assert changed["LastUpdatedDate"] >= prod["CreatedDate"], changed
assert get(api_id, "/prod/pets/7", "PUT")[1]["route"] == "ANY /pets/{id}"
client.update_integration(ApiId=api_id, IntegrationId=integration["IntegrationId"], TimeoutInMillis=50)
assert client.get_integration(ApiId=api_id, IntegrationId=integration["IntegrationId"])["TimeoutInMillis"] == 50
with raises("ConflictException", 409, "Cannot delete Integration because it is referenced by the following Routes"):
    client.delete_integration(ApiId=api_id, IntegrationId=integration["IntegrationId"])

# Limits of a stage.
client.update_stage(
    ApiId=api_id, StageName="prod", DefaultRouteSettings={"ThrottlingBurstLimit": 0, "ThrottlingRateLimit": 0.0}
)
assert get(api_id, "/prod/pets/7") == (429, {"message": "Too Many Requests"})
client.update_stage(
    ApiId=api_id, StageName="prod", RouteSettings={"ANY /pets/{id}": {"ThrottlingRateLimit": 100.0}}
)
assert get(api_id, "/prod/pets/7")[0] == 200
client.delete_route_settings(ApiId=api_id, StageName="prod", RouteKey="ANY /pets/{id}")
with raises("NotFoundException", 404, "Unable to find Route by key GET /zoo within the provided RouteSettings"):
    client.update_stage(ApiId=api_id, StageName="prod", RouteSettings={"GET /zoo": {"ThrottlingRateLimit": 1.0}})

# Authorizers.
jwt = client.create_authorizer(
    ApiId=api_id, AuthorizerType="JWT", Name="people", IdentitySource=["$request.header.Authorization"],
    JwtConfiguration={"Audience": ["pets"], "Issuer": "https://issuer.example"},
)
assert jwt["JwtConfiguration"] == {"Audience": ["pets"], "Issuer": "https://issuer.example"}, jwt
request = client.create_authorizer(
    ApiId=api_id, AuthorizerType="REQUEST", Name="gate", IdentitySource=["$request.querystring.key"],
    AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations",
    AuthorizerPayloadFormatVersion="2.0", EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=60,
)
assert request["AuthorizerResultTtlInSeconds"] == 60 and request["EnableSimpleResponses"], request
with raises("BadRequestException", 400, "Invalid authorizer ID specified."):
    client.update_route(
        ApiId=api_id, RouteId=route["RouteId"], AuthorizationType="CUSTOM", AuthorizerId=jwt["AuthorizerId"]
    )
with raises("BadRequestException", 400):
    client.create_authorizer(ApiId=api_id, AuthorizerType="JWT", Name="x", IdentitySource=[])
client.update_route(
    ApiId=api_id, RouteId=route["RouteId"], AuthorizationType="JWT", AuthorizerId=jwt["AuthorizerId"],
    AuthorizationScopes=["pets/read"],
)
with raises("ConflictException", 409):
    client.delete_authorizer(ApiId=api_id, AuthorizerId=jwt["AuthorizerId"])
renamed = client.update_authorizer(ApiId=api_id, AuthorizerId=request["AuthorizerId"], Name="door")
assert renamed["Name"] == "door" and renamed["AuthorizerUri"] == request["AuthorizerUri"], renamed
assert {one["Name"] for one in client.get_authorizers(ApiId=api_id)["Items"]} == {"people", "door"}
client.delete_authorizer(ApiId=api_id, AuthorizerId=request["AuthorizerId"])
client.reset_authorizers_cache(ApiId=api_id, StageName="prod")

# Cross-origin rules.
with raises("BadRequestException", 400, "allow-credentials is not supported if 'allow-origin' is *"):
    client.update_api(ApiId=api_id, CorsConfiguration={"AllowOrigins": ["*"], "AllowCredentials": True})
rules = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 300}
updated = client.update_api(ApiId=api_id, CorsConfiguration=rules)
assert updated["CorsConfiguration"] == {**rules, "AllowCredentials": False}, updated
assert updated["Description"] == "all pets", updated
client.delete_cors_configuration(ApiId=api_id)
assert "CorsConfiguration" not in client.get_api(ApiId=api_id)

# Tags.
api_arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}"
client.tag_resource(ResourceArn=api_arn, Tags={"a": "1", "b": "2"})
client.untag_resource(ResourceArn=api_arn, TagKeys=["a"])
assert client.get_tags(ResourceArn=api_arn)["Tags"] == {"b": "2"}

# Lists come in pages.
for number in range(5):
    client.create_route(ApiId=api_id, RouteKey=f"GET /list/{number}")
found, token = [], {}
while True:
    page = client.get_routes(ApiId=api_id, MaxResults="2", **token)
    assert len(page["Items"]) <= 2, page
    found += [item["RouteKey"] for item in page["Items"]]
    if "NextToken" not in page:
        break
    token = {"NextToken": page["NextToken"]}
assert len(found) == len(set(found)) == 6, found

# What Kiln does not have says so.
for refused, operation in [
    ("WebSocket APIs", lambda: client.create_api(Name="x", ProtocolType="WEBSOCKET")),
    ("integrations with HTTP backends", lambda: client.create_integration(
        ApiId=api_id, IntegrationType="HTTP_PROXY", IntegrationUri="https://example.com", IntegrationMethod="GET",
        PayloadFormatVersion="1.0")),
    ("ImportApi", lambda: client.import_api(Body="{}")),
    ("CreateDomainName", lambda: client.create_domain_name(DomainName="example.com")),
    ("CreateVpcLink", lambda: client.create_vpc_link(Name="x", SubnetIds=[])),
]:
    with raises("NotImplementedException", 501, f"Kiln does not have {refused} yet."):
        operation()
with raises("NotImplementedException", 501, "Kiln does not have REST APIs yet."):
    boto3.client("apigateway").get_rest_apis()

# Deployments and stages go, and then the API.
old = deployment["DeploymentId"]
client.update_deployment(ApiId=api_id, DeploymentId=old, Description="the first")
assert client.get_deployment(ApiId=api_id, DeploymentId=old)["Description"] == "the first"
client.delete_deployment(ApiId=api_id, DeploymentId=old)
assert old not in [one["DeploymentId"] for one in client.get_deployments(ApiId=api_id)["Items"]]
client.delete_stage(ApiId=api_id, StageName="prod")
with raises("NotFoundException", 404, "Invalid stage identifier specified"):
    client.get_stage(ApiId=api_id, StageName="prod")
client.delete_route(ApiId=api_id, RouteId=route["RouteId"])
client.delete_integration(ApiId=api_id, IntegrationId=integration["IntegrationId"])
client.delete_api(ApiId=api_id)
with raises("NotFoundException", 404, f"Invalid API identifier specified 000000000000:{api_id}"):
    client.get_api(ApiId=api_id)
assert [one["ApiId"] for one in client.get_apis()["Items"]] == [quick_id]

#!/bin/sh
# Deploys the function and has a bucket tell it of new photos. Needs kiln, the AWS CLI and the server's three variables.
set -eu
cd "$(dirname "$0")"
bucket=${1:-photos}
account=$(aws sts get-caller-identity --query Account --output text)
function=arn:aws:lambda:${AWS_REGION:-us-east-1}:$account:function:thumbnails

kiln deploy . --name thumbnails --memory 512 --timeout 30
kiln buckets make "$bucket"
aws lambda remove-permission --function-name thumbnails --statement-id "$bucket" 2>/dev/null || true
aws lambda add-permission --function-name thumbnails --statement-id "$bucket" --action lambda:InvokeFunction \
    --principal s3.amazonaws.com --source-arn "arn:aws:s3:::$bucket" --source-account "$account"
aws s3api put-bucket-notification-configuration --bucket "$bucket" --notification-configuration "{
  \"LambdaFunctionConfigurations\": [{
    \"LambdaFunctionArn\": \"$function\",
    \"Events\": [\"s3:ObjectCreated:*\"],
    \"Filter\": {\"Key\": {\"FilterRules\": [{\"Name\": \"prefix\", \"Value\": \"photos/\"},
                                         {\"Name\": \"suffix\", \"Value\": \".png\"}]}}}]}"

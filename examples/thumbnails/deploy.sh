#!/bin/sh
# Deploys the function with a role that may read and put photos, and has a bucket tell it of new ones. Needs kiln, the AWS CLI and the server's three variables.
set -eu
cd "$(dirname "$0")"
bucket=${1:-photos}
account=$(aws sts get-caller-identity --query Account --output text)
function=arn:aws:lambda:${AWS_REGION:-us-east-1}:$account:function:thumbnails

aws iam get-role --role-name thumbnails >/dev/null 2>&1 ||
    aws iam create-role --role-name thumbnails --assume-role-policy-document '{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
aws iam put-role-policy --role-name thumbnails --policy-name photos --policy-document "{
  \"Version\": \"2012-10-17\", \"Statement\": [
    {\"Effect\": \"Allow\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::$bucket/photos/*\"},
    {\"Effect\": \"Allow\", \"Action\": \"s3:PutObject\", \"Resource\": \"arn:aws:s3:::$bucket/thumbnails/*\"}]}"

kiln deploy . --name thumbnails --memory 512 --timeout 30 --role "arn:aws:iam::$account:role/thumbnails"
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

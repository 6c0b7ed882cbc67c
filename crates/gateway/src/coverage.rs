//! Which of AWS's operations have a handler: the source of the coverage table in the docs.

use crate::{
    apigatewayv2, events, iam, lambda, logs, s3, scheduler, secretsmanager, sns, sqs, ssm, sts,
};

/// One operation of a service that Kiln speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// The service, as it is called in signatures.
    pub service: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// Whether it has a handler; without one it is answered with 501.
    pub is_handled: bool,
}

/// Every operation of every service that Kiln speaks.
pub fn coverage() -> Vec<Coverage> {
    macro_rules! of {
        ($service:ident) => {
            $service::generated::Operation::ALL
                .iter()
                .map(|operation| Coverage {
                    service: stringify!($service),
                    operation: operation.name(),
                    is_handled: $service::HANDLED.contains(operation),
                })
        };
    }
    let all = of!(lambda).chain(of!(apigatewayv2)).chain(of!(events));
    let all = all.chain(of!(logs)).chain(of!(scheduler)).chain(of!(sns));
    let all = all.chain(of!(sqs)).chain(of!(s3));
    let all = all.chain(of!(iam)).chain(of!(sts));
    all.chain(of!(secretsmanager)).chain(of!(ssm)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renders `docs/reference/operations.md`.
    fn page() -> String {
        let mut page = String::from(
            "# Operations\n\n\
             Which operations of AWS's services Kiln has. Any other answers HTTP 501 with the error type\n\
             `NotImplementedException` and a sentence that names it: it never pretends. Settings that an operation\n\
             does not act on are refused, or stored and given back where that is harmless; the file of the\n\
             operation, in `crates/gateway/src`, says which under `AWS differs:`.\n",
        );
        for (service, title) in [
            ("lambda", "AWS Lambda"),
            ("apigatewayv2", "Amazon API Gateway V2"),
            ("events", "Amazon EventBridge"),
            ("logs", "Amazon CloudWatch Logs"),
            ("scheduler", "Amazon EventBridge Scheduler"),
            ("sns", "Amazon SNS"),
            ("sqs", "Amazon SQS"),
            ("s3", "Amazon S3"),
            ("iam", "AWS IAM"),
            ("sts", "AWS STS"),
            ("secretsmanager", "AWS Secrets Manager"),
            ("ssm", "AWS Systems Manager"),
        ] {
            let all: Vec<_> = coverage()
                .into_iter()
                .filter(|one| one.service == service)
                .collect();
            let names = |handled: bool| {
                let of_kind = all.iter().filter(|one| one.is_handled == handled);
                let names: Vec<_> = of_kind.map(|one| format!("`{}`", one.operation)).collect();
                (names.len(), names.join(" "))
            };
            let ((has, handled), (lacks, missing)) = (names(true), names(false));
            page.push_str(&format!(
                "\n## {title}\n\n{has} of {}:\n{handled}\n",
                all.len()
            ));
            if lacks > 0 {
                page.push_str(&format!("\nNot yet, {lacks}:\n{missing}\n"));
            }
        }
        page
    }

    #[test]
    fn the_reference_page_is_what_the_dispatch_tables_say() {
        kiln_testkit::page::assert_rendered("operations.md", &page());
    }

    #[test]
    fn the_operations_of_the_foundation_have_handlers() {
        let handled = |service: &str| {
            let all = coverage().into_iter();
            all.filter(|found| found.service == service && found.is_handled)
                .count()
        };
        assert_eq!(
            [
                "lambda",
                "logs",
                "scheduler",
                "sns",
                "sqs",
                "s3",
                "iam",
                "sts",
                "secretsmanager",
                "ssm"
            ]
            .map(handled),
            [71, 11, 12, 19, 23, 38, 77, 3, 18, 13]
        );
        assert_eq!(handled("apigatewayv2"), 36);
    }
}

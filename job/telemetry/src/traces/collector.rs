//! Which collector takes the traces, and how it is spoken to.

use super::TraceError;
use hyper::Uri;

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Over gRPC.
    Grpc,
    /// As protocol buffers over HTTP.
    Http,
}

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collector {
    pub(super) endpoint: String,
    pub(super) protocol: Protocol,
}

impl Collector {
    /// The collector of the manifest, else that of the standard variables, read by `variable`; None where there is
    /// neither or where the variables switch traces off.
    pub(super) fn choose(
        manifest: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, TraceError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is = |name: &str, word: &str| {
            set(name).is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        // The first two are what every signal's path is added to, the third is the address itself.
        let (endpoint, is_base) = if let Some(endpoint) = manifest {
            (endpoint.to_owned(), true)
        } else if let Some(endpoint) = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            (endpoint, false)
        } else if let Some(endpoint) = set("OTEL_EXPORTER_OTLP_ENDPOINT") {
            (endpoint, true)
        } else {
            return Ok(None);
        };
        let protocol = protocol(set)?;
        if !["http://", "https://"]
            .iter()
            .any(|scheme| endpoint.starts_with(scheme))
        {
            return Err(TraceError::Scheme);
        }
        let endpoint = match protocol {
            Protocol::Http if is_base => format!("{}/v1/traces", endpoint.trim_end_matches('/')),
            _ => endpoint,
        };
        Ok(Some(Self { endpoint, protocol }))
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.endpoint.starts_with("https://")
    }

    /// The address as it may be shown: without the password that it may carry.
    pub(super) fn shown(&self) -> String {
        let Ok(address) = self.endpoint.parse::<Uri>() else {
            return "an address that is none".to_owned();
        };
        let scheme = address.scheme_str().map(|scheme| format!("{scheme}://"));
        let port = address.port_u16().map(|port| format!(":{port}"));
        [
            scheme.as_deref().unwrap_or_default(),
            address.host().unwrap_or_default(),
            port.as_deref().unwrap_or_default(),
        ]
        .concat()
    }
}

fn protocol(set: impl Fn(&str) -> Option<String>) -> Result<Protocol, TraceError> {
    for name in [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ] {
        match set(name).as_deref() {
            None => continue,
            Some("grpc") => return Ok(Protocol::Grpc),
            Some("http/protobuf") => return Ok(Protocol::Http),
            Some(value) => {
                return Err(TraceError::Protocol {
                    variable: name,
                    value: value.to_owned(),
                });
            }
        }
    }
    Ok(Protocol::Grpc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(
        manifest: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<Option<Collector>, TraceError> {
        Collector::choose(manifest, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn grpc(endpoint: &str) -> Collector {
        Collector {
            endpoint: endpoint.to_owned(),
            protocol: Protocol::Grpc,
        }
    }

    #[test]
    fn the_manifest_wins_over_the_signal_and_the_signal_over_the_rest() {
        let all = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://rest:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317"),
        ];
        assert_eq!(choose(None, &[]).unwrap(), None);
        assert_eq!(
            choose(None, &all[..1]).unwrap(),
            Some(grpc("http://rest:4317"))
        );
        assert_eq!(
            choose(None, &all).unwrap(),
            Some(grpc("http://traces:4317"))
        );
        assert_eq!(
            choose(Some("http://own:4317"), &all).unwrap(),
            Some(grpc("http://own:4317"))
        );
        assert_eq!(
            choose(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap(),
            None
        );
    }

    #[test]
    fn over_http_the_path_is_added_to_all_but_the_signal_s_own_address() {
        let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        let endpoint = |manifest, variables: &[(&str, &str)]| {
            choose(manifest, variables).unwrap().unwrap().endpoint
        };
        assert_eq!(
            endpoint(Some("http://own:4318"), &[http]),
            "http://own:4318/v1/traces"
        );
        assert_eq!(
            endpoint(
                None,
                &[http, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/b/")]
            ),
            "http://a:4318/b/v1/traces"
        );
        assert_eq!(
            endpoint(
                None,
                &[
                    http,
                    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:4318/own")
                ]
            ),
            "http://a:4318/own"
        );
    }

    #[test]
    fn the_standard_switches_turn_it_off() {
        for switch in [
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            assert_eq!(choose(Some("http://own:4317"), &[switch]).unwrap(), None);
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_refused_without_repeating_it() {
        let error = choose(
            None,
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "me:secret@host:4317")],
        );
        let message = error.unwrap_err().to_string();
        assert!(message.contains("https://"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_refused_by_name() {
        let error = choose(
            Some("http://own:4318"),
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
        );
        let message = error.unwrap_err().to_string();
        assert!(message.contains("OTEL_EXPORTER_OTLP_PROTOCOL"), "{message}");
        assert!(message.contains("http/json"), "{message}");
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            grpc("https://me:secret@host:4317/x").shown(),
            "https://host:4317"
        );
        assert_eq!(grpc("http://host").shown(), "http://host");
    }
}

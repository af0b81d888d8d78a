//! Where credentials come from, with a name for each source.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;

use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

/// The name of the source that gave the credentials in use.
pub(super) type Source = Arc<OnceLock<String>>;

/// Sources of credentials in their order: the first that has any is used.
#[derive(Debug)]
pub(super) struct Sources {
    named: Vec<(String, SharedCredentialsProvider)>,
    used: Source,
}

impl Sources {
    /// The standard order of the AWS tools.
    pub(super) fn standard(config: &ProviderConfig, used: Source) -> Self {
        let named = vec![
            source(
                "AWS_ACCESS_KEY_ID in the environment",
                EnvironmentVariableCredentialsProvider::new(),
            ),
            source(
                "the profile in the shared credentials or config file",
                ProfileFileCredentialsProvider::builder()
                    .configure(config)
                    .build(),
            ),
            source(
                "the role of AWS_WEB_IDENTITY_TOKEN_FILE",
                WebIdentityTokenCredentialsProvider::builder()
                    .configure(config)
                    .build(),
            ),
            source(
                "the container's credentials agent",
                EcsCredentialsProvider::builder().configure(config).build(),
            ),
            source(
                "the machine's metadata service",
                ImdsCredentialsProvider::builder().configure(config).build(),
            ),
        ];
        Self { named, used }
    }

    /// One credentials file and nothing else.
    pub(super) fn file(path: &Path, config: &ProviderConfig, used: Source) -> Self {
        let files = EnvConfigFiles::builder()
            .with_file(EnvConfigFileKind::Credentials, path)
            .build();
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(config)
            .profile_files(files)
            .build();
        Self {
            named: vec![source(path.display().to_string(), provider)],
            used,
        }
    }

    async fn first(&self) -> Result<aws_credential_types::Credentials, CredentialsError> {
        for (name, provider) in &self.named {
            match provider.provide_credentials().await {
                Ok(credentials) => {
                    self.used.get_or_init(|| name.clone());
                    return Ok(credentials);
                }
                Err(CredentialsError::CredentialsNotLoaded(_)) => {}
                Err(error) => {
                    self.used.get_or_init(|| name.clone());
                    return Err(error);
                }
            }
        }
        let names: Vec<_> = self.named.iter().map(|(name, _)| name.as_str()).collect();
        let tried = format!("none of these has any: {}", names.join(", "));
        Err(CredentialsError::not_loaded(tried))
    }
}

fn source(
    name: impl Into<String>,
    provider: impl ProvideCredentials + 'static,
) -> (String, SharedCredentialsProvider) {
    (name.into(), SharedCredentialsProvider::new(provider))
}

impl ProvideCredentials for Sources {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.first())
    }
}

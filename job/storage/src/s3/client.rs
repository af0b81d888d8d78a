//! A client of the SDK, made from the settings and the environment.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Region, RequestChecksumCalculation, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use super::credentials::{Source, Sources};
use super::settings::{S3Settings, check_endpoint};
use crate::StorageError;

/// The region of servers that have none.
const CUSTOM_REGION: &str = "us-east-1";

/// A client, and what messages say about it.
pub(super) struct Connected {
    pub(super) client: Client,
    /// The server, in words.
    pub(super) endpoint: String,
    /// Where the credentials in use come from.
    pub(super) source: Source,
    /// Whether requests carry checksums, as they do unless the environment or a profile says otherwise.
    pub(super) has_checksums: bool,
}

pub(super) async fn connect(settings: &S3Settings) -> Result<Connected, StorageError> {
    settings.check()?;
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let source = Source::default();
    let sdk = environment(settings, &http, source.clone()).await?;
    let endpoint = settings.endpoint.as_deref().or(sdk.endpoint_url());
    if let Some(endpoint) = endpoint {
        check_endpoint(endpoint)?;
    }
    let region = sdk.region().map(Region::to_string);
    let Some(region) = region.or_else(|| endpoint.map(|_| CUSTOM_REGION.to_owned())) else {
        return Err(StorageError::Settings(
            "nothing names a region; set AWS_REGION, or AWS_ENDPOINT_URL for another S3 than Amazon's"
                .into(),
        ));
    };
    let mut builder = aws_sdk_s3::config::Builder::from(&sdk)
        .region(Region::new(region.clone()))
        .force_path_style(settings.path_style.unwrap_or(endpoint.is_some()))
        .retry_config(retries(settings))
        .retry_partition(own_quota())
        .timeout_config(timeouts(settings))
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled()
                .upload_enabled(true)
                .download_enabled(true)
                .grace_period(settings.stall_timeout)
                .build(),
        );
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    Ok(Connected {
        client: Client::from_conf(builder.build()),
        endpoint: endpoint.map_or_else(|| format!("Amazon S3 in {region}"), str::to_owned),
        source,
        has_checksums: sdk.request_checksum_calculation()
            != Some(RequestChecksumCalculation::WhenRequired),
    })
}

/// What the environment, the profile files and the machine say.
async fn environment(
    settings: &S3Settings,
    http: &SharedHttpClient,
    source: Source,
) -> Result<SdkConfig, StorageError> {
    let region = region(settings, http).await;
    let config = ProviderConfig::without_region()
        .with_http_client(http.clone())
        .with_behavior_version(Some(BehaviorVersion::v2026_01_12()))
        .with_region(region.clone());
    let sources = match &settings.credentials_file {
        None => Sources::standard(&config, source),
        Some(path) if path.is_file() => Sources::file(path, &config, source),
        Some(path) => {
            let what = format!("there is no credentials file {}", path.display());
            return Err(StorageError::Settings(what));
        }
    };
    Ok(aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .region(region)
        .credentials_provider(sources)
        .load()
        .await)
}

/// The region. The machine's metadata service is asked only for Amazon's S3: elsewhere it would be waited for in vain.
async fn region(settings: &S3Settings, http: &SharedHttpClient) -> Option<Region> {
    let config = ProviderConfig::without_region().with_http_client(http.clone());
    let named = RegionProviderChain::first_try(settings.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(
            ProfileFileRegionProvider::builder()
                .configure(&config)
                .build(),
        )
        .region()
        .await;
    if named.is_some() {
        return named;
    }
    if settings.endpoint.is_some() {
        return Some(Region::from_static(CUSTOM_REGION));
    }
    let machine = ImdsRegionProvider::builder().configure(&config).build();
    machine.region().await
}

fn retries(settings: &S3Settings) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(settings.attempts)
        .with_initial_backoff(settings.first_backoff)
        .with_max_backoff(settings.longest_backoff)
}

/// Without the quota that all clients of a process share by default: used up in an outage, it would end
/// the tries of requests that have hardly begun.
fn own_quota() -> RetryPartition {
    RetryPartition::custom("splade-storage")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

fn timeouts(settings: &S3Settings) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .operation_attempt_timeout(settings.attempt_timeout)
        .operation_timeout(settings.deadline)
        .build()
}

//! What a request sends: bytes in slices, so that a connection that stands still is seen, and their checksum.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes handed to the connection at a time. The SDK watches the slices go: bytes handed over at once would all have
/// gone for it, while they lie in a buffer of this process.
const SLICE: usize = 64 << 10;

/// A body that each try of a request sends anew.
pub(super) fn stream(bytes: Bytes) -> ByteStream {
    ByteStream::new(SdkBody::retryable(move || {
        SdkBody::from_body_1_x(Slices(bytes.clone()))
    }))
}

/// CRC-32 as S3 writes it.
pub(super) fn crc32(bytes: &[u8]) -> String {
    STANDARD.encode(crc32fast::hash(bytes).to_be_bytes())
}

struct Slices(Bytes);

impl Body for Slices {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let count = self.0.len().min(SLICE);
        Poll::Ready(Some(Ok(Frame::data(self.0.split_to(count)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

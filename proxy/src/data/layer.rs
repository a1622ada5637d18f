//! A stream on top of pingora's own.

/// What pingora asks of a stream beside reading and writing, answered by the `inner`
/// one of a layer; or, where that is no stream of pingora's, what it asks of the
/// connection, answered by the stream further below.
macro_rules! pass_on {
    ($layer:ty) => {
        #[async_trait::async_trait]
        impl pingora::protocols::Shutdown for $layer {
            async fn shutdown(&mut self) {
                self.inner.shutdown().await;
            }
        }

        impl pingora::protocols::Ssl for $layer {
            fn get_ssl_digest(&self) -> Option<std::sync::Arc<pingora::protocols::tls::SslDigest>> {
                self.inner.get_ssl_digest()
            }

            fn selected_alpn_proto(&self) -> Option<pingora::protocols::ALPN> {
                self.inner.selected_alpn_proto()
            }
        }

        pass_on!($layer, |layer| layer.inner);
    };
    ($layer:ty, |$this:ident| $below:expr) => {
        impl pingora::protocols::UniqueID for $layer {
            fn id(&self) -> pingora::protocols::UniqueIDType {
                let $this = self;
                $below.id()
            }
        }

        impl pingora::protocols::GetTimingDigest for $layer {
            fn get_timing_digest(&self) -> Vec<Option<pingora::protocols::TimingDigest>> {
                let $this = self;
                $below.get_timing_digest()
            }

            fn get_read_pending_time(&self) -> std::time::Duration {
                let $this = self;
                $below.get_read_pending_time()
            }

            fn get_write_pending_time(&self) -> std::time::Duration {
                let $this = self;
                $below.get_write_pending_time()
            }
        }

        impl pingora::protocols::GetProxyDigest for $layer {
            fn get_proxy_digest(
                &self,
            ) -> Option<std::sync::Arc<pingora::protocols::raw_connect::ProxyDigest>> {
                let $this = self;
                $below.get_proxy_digest()
            }
        }

        impl pingora::protocols::GetSocketDigest for $layer {
            fn get_socket_digest(
                &self,
            ) -> Option<std::sync::Arc<pingora::protocols::SocketDigest>> {
                let $this = self;
                $below.get_socket_digest()
            }
        }

        impl pingora::protocols::Peek for $layer {}
    };
}
pub(crate) use pass_on;

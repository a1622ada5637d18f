//! Every route of the admin listener, and what each asks for.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Health,
    Readiness,
    Metrics,
    AuthzenConfiguration,
    AuthzenEvaluation,
    AuthzenEvaluations,
}

impl Endpoint {
    /// How it is asked.
    pub fn method(self) -> &'static str {
        match self {
            Self::AuthzenEvaluation | Self::AuthzenEvaluations => "POST",
            Self::Health | Self::Readiness | Self::Metrics | Self::AuthzenConfiguration => "GET",
        }
    }
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: probes and scrapers hold no credential.
    Open,
    /// The admin key, as a bearer token.
    AdminKey,
}

/// A path, what it asks for, and what stands there.
pub type Route = (&'static str, Access, Endpoint);

/// All of them.
pub const ROUTES: [Route; 6] = [
    ("/healthz", Access::Open, Endpoint::Health),
    ("/readyz", Access::Open, Endpoint::Readiness),
    ("/metrics", Access::Open, Endpoint::Metrics),
    (
        "/.well-known/authzen-configuration",
        Access::AdminKey,
        Endpoint::AuthzenConfiguration,
    ),
    (
        "/access/v1/evaluation",
        Access::AdminKey,
        Endpoint::AuthzenEvaluation,
    ),
    (
        "/access/v1/evaluations",
        Access::AdminKey,
        Endpoint::AuthzenEvaluations,
    ),
];

/// The name of a request, which its response bears too.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Says of a request's head whether it holds the admin key.
pub trait Admits: Send + Sync + 'static {
    /// Whether it does.
    fn admits(&self, head: &HeaderMap) -> bool;
}

/// A router of all routes, each guarded as the table says, whatever the method.
pub fn router<S, A>(admin: &Arc<A>, handler: impl Fn(Endpoint) -> MethodRouter<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    A: Admits,
{
    ROUTES
        .iter()
        .fold(Router::new(), |router, (path, access, endpoint)| {
            let handler = handler(*endpoint);
            router.route(
                path,
                match access {
                    Access::Open => handler,
                    Access::AdminKey => {
                        let guard = middleware::from_fn_with_state(admin.clone(), guard::<A>);
                        handler.layer(guard)
                    }
                },
            )
        })
}

async fn guard<A: Admits>(
    State(admin): State<Arc<A>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = if admin.admits(request.headers()) {
        next.run(request).await
    } else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"lattice admin\"")];
        let message = "The admin key is asked for, as `Authorization: Bearer`. It was made when a gateway first started on this database: shown there on a terminal, else written to admin.key in its data_dir.\n";
        (StatusCode::UNAUTHORIZED, challenge, message).into_response()
    };
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The token of a head that bears one.
pub fn bearer(head: &HeaderMap) -> Option<&str> {
    let mut values = head.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    // Of two, whichever was meant is not for us to say.
    let only = values.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    only.then(|| token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::{HeaderValue, Method};
    use axum::routing::any;

    use super::*;

    /// Lets in whoever bears this word.
    struct Word(&'static str);

    impl Admits for Word {
        fn admits(&self, head: &HeaderMap) -> bool {
            bearer(head) == Some(self.0)
        }
    }

    /// Every route of the table over handlers that all answer 200.
    async fn status(path: &str, method: &Method, credential: Option<&str>) -> (u16, Response) {
        let mut router = router(&Arc::new(Word("open sesame")), |_| {
            any(|| async { "reached" })
        });
        let mut request = Request::builder()
            .uri(path)
            .method(method)
            .header(REQUEST_ID, "r-7");
        if let Some(credential) = credential {
            request = request.header(header::AUTHORIZATION, credential);
        }
        let request = request.body(Body::empty()).unwrap();
        let response: Result<Response, Infallible> =
            tower_service::Service::call(&mut router, request).await;
        let Ok(response) = response;
        (response.status().as_u16(), response)
    }

    #[tokio::test]
    async fn without_the_credential_every_route_but_the_open_ones_refuses() {
        let open = ["/healthz", "/readyz", "/metrics"];
        let wrong = [
            None,
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer sesame"),
            Some("Bearer open sesame2"),
            Some("Basic open sesame"),
            Some("open sesame"),
        ];
        let mut tried = 0;
        for (path, access, endpoint) in ROUTES {
            assert_eq!(open.contains(&path), access == Access::Open, "{path}");
            for method in [
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::DELETE,
                Method::OPTIONS,
            ] {
                for credential in wrong {
                    let (status, response) = status(path, &method, credential).await;
                    match access {
                        Access::Open => assert_eq!(status, 200, "{path}"),
                        Access::AdminKey => {
                            assert_eq!(status, 401, "{method} {path} {endpoint:?} {credential:?}");
                            assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
                            assert_eq!(response.headers()[REQUEST_ID], "r-7");
                        }
                    }
                    tried += 1;
                }
            }
            let (status, _) = status(path, &Method::GET, Some("Bearer open sesame")).await;
            assert_eq!(status, 200, "{path}");
        }
        println!("{} routes, {tried} requests", ROUTES.len());
    }

    #[test]
    fn a_head_bears_one_token() {
        let head = |values: &[&'static str]| {
            let values = values.iter().map(|value| HeaderValue::from_static(value));
            values
                .map(|value| (header::AUTHORIZATION, value))
                .collect::<HeaderMap>()
        };
        assert_eq!(bearer(&head(&["Bearer a"])), Some("a"));
        assert_eq!(bearer(&head(&["bearer  a"])), Some("a"));
        assert_eq!(bearer(&head(&["Basic a"])), None);
        assert_eq!(bearer(&head(&[])), None);
        assert_eq!(bearer(&head(&["Bearer a", "Bearer b"])), None);
    }
}

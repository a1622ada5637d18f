//! The routes of the client listener: method, path, what is asked.

use http::Method;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`; still percent-encoded.
    Model(&'a str),
}

/// Why there is no route.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No such path.
    Path,
    /// The path wants another method.
    Method(&'static str),
}

/// The route of a request.
///
/// # Errors
/// There is none.
pub fn find<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, NoRoute> {
    let (wants, route) = match path {
        "/v1/chat/completions" => (Method::POST, Route::Chat),
        "/v1/models" => (Method::GET, Route::Models),
        _ => match path.strip_prefix("/v1/models/") {
            Some(id) if !id.is_empty() => (Method::GET, Route::Model(id)),
            _ => return Err(NoRoute::Path),
        },
    };
    match (*method == wants, &route) {
        (true, _) => Ok(route),
        (false, Route::Chat) => Err(NoRoute::Method("POST")),
        (false, _) => Err(NoRoute::Method("GET")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_exact() {
        assert_eq!(find(&Method::POST, "/v1/chat/completions"), Ok(Route::Chat));
        assert_eq!(find(&Method::GET, "/v1/models"), Ok(Route::Models));
        assert_eq!(
            find(&Method::GET, "/v1/models/openai/gpt-5"),
            Ok(Route::Model("openai/gpt-5"))
        );
        assert_eq!(
            find(&Method::GET, "/v1/chat/completions"),
            Err(NoRoute::Method("POST"))
        );
        for path in [
            "/",
            "/v1/models/",
            "/v1/chat/completions/",
            "//v1/models",
            "/V1/models",
        ] {
            assert_eq!(find(&Method::GET, path), Err(NoRoute::Path), "{path}");
        }
    }
}

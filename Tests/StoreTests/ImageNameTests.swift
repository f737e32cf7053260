import Testing

@testable import Store

struct ImageNameTests {
    @Test(arguments: [
        ("python", "python:latest", "docker.io/library/python:latest"),
        ("python:3.12-slim", "python:3.12-slim", "docker.io/library/python:3.12-slim"),
        ("docker.io/library/python:3", "python:3", "docker.io/library/python:3"),
        ("index.docker.io/python", "python:latest", "docker.io/library/python:latest"),
        ("some/app", "some/app:latest", "docker.io/some/app:latest"),
        ("ghcr.io/some/app:1", "ghcr.io/some/app:1", "ghcr.io/some/app:1"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("registry.example:5000/name:tag", "registry.example:5000/name:tag", "registry.example:5000/name:tag"),
        ("registry:5000/a/b/c", "registry:5000/a/b/c:latest", "registry:5000/a/b/c:latest"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000/app:1"),
        ("python@sha256:ab", "python@sha256:ab", "docker.io/library/python@sha256:ab"),
        ("python:3@sha256:ab", "python:3@sha256:ab", "docker.io/library/python@sha256:ab"),
    ])
    func isTakenApart(_ written: String, _ familiar: String, _ qualified: String) {
        #expect(ImageName(written).familiar == familiar)
        #expect(ImageName(written).qualified == qualified)
        #expect(ImageName(familiar) == ImageName(written))
    }

    @Test(arguments: [
        ("localhost/a", true), ("localhost:5000/a", true), ("127.0.0.1:5000/a", true), ("[::1]:5000/a", true),
        ("localhost", false), ("registry.example/a", false), ("127.example.org/a", false), ("a/b", false),
    ])
    func knowsLoopback(_ reference: String, _ isOnLoopback: Bool) {
        #expect(ImageName(reference).isOnLoopback == isOnLoopback)
    }
}

import EmbeddedFiles
import JSON
import Protocol

enum DiscoverHandler: RequestHandler {
    typealias Request = Discover

    static func handle(_ params: NoParams, _ context: RequestContext) async throws -> JSONValue {
        try JSONValue.parse(EmbeddedFiles.schema())
    }
}

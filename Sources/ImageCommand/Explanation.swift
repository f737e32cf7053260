import CommandLineInterface
import Kernel
import Store

/// Why a command failed, and what its user can do about it.
struct Explanation {
    let text: String

    init(_ error: StoreError, of action: ImageAction) {
        switch error {
        case .kernel(let error): text = Self.explain(error, action)
        case .imageNotFound(let reference):
            text = "there is no image '\(reference)'; see what there is: isorun-engine image ls"
        case .imageInvalid(let reason), .pullFailed(let reason): text = reason
        default: text = "\(error)"
        }
    }

    private static func explain(_ error: KernelError, _ action: ImageAction) -> String {
        switch (action, error.errno) {
        case (.importing(let path, _), .noSuchFile): "there is nothing at \(path)"
        case (.importing(let path, _), .accessDenied): "\(path) may not be read by this user"
        case (.export(_, let path, _), .exists): "\(path) is there already; nothing is overwritten"
        case (.export(_, let path, _), .noSuchFile): "the folder that \(path) shall be made in does not exist"
        case (.export(_, let path, _), .accessDenied): "\(path) may not be written by this user"
        default: "\(error)"
        }
    }
}

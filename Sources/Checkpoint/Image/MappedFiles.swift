import Kernel

/// Files that captured processes have mapped, held open: their paths lead to them only as long as the sandbox lives.
final class MappedFiles: Sendable {
    private let files: [String: SharedDescriptor]

    /// - Parameter root: the sandbox's root folder.
    init(_ paths: some Sequence<String>, in root: borrowing OwnedFD) throws(KernelError) {
        var files: [String: SharedDescriptor] = [:]
        for path in paths where files[path] == nil {
            files[path] = SharedDescriptor(try root.open(try FilePath(validating: path), .read, resolving: .inRoot))
        }
        self.files = files
    }

    /// The descriptor of a path that was named at the beginning, valid as long as this value.
    func descriptor(of path: String) -> Int32 {
        guard let file = files[path] else { preconditionFailure("a mapped file is opened with the others") }
        return file.descriptor.rawValue
    }
}

import Kernel

/// The root and the working directory that a process is to have.
struct ProcessFolders {
    /// Nil where it is the sandbox's.
    private let root: SharedDescriptor?
    private let workingDirectory: SharedDescriptor

    init(of image: ProcessImage, in sandbox: borrowing OwnedFD) throws(KernelError) {
        root = image.rootDirectory == "/" ? nil : try Self.open(image.rootDirectory, in: sandbox)
        workingDirectory = try Self.open(image.workingDirectory, in: sandbox)
    }

    private static func open(
        _ path: String, in sandbox: borrowing OwnedFD
    ) throws(KernelError) -> SharedDescriptor {
        SharedDescriptor(
            try sandbox.open(try FilePath(validating: path), [.directory, .pathOnly], resolving: .inRoot))
    }

    /// For the process to get, and `enter` to use.
    var descriptors: [Int32] { ((root.map { [$0] } ?? []) + [workingDirectory]).map { $0.descriptor.rawValue } }

    /// Adds the calls that enter both, and close them.
    ///
    /// - Parameter numbers: of `descriptors` in the process.
    func enter(_ numbers: ArraySlice<UInt64>, _ calls: inout CallBatch) throws(KernelError) {
        if root != nil, let number = numbers.first {
            let here = try calls.place([UInt8(ascii: "."), 0])
            try calls.add(.fchdir, [number])
            try calls.add(.chroot, [here])
        }
        if let number = numbers.last { try calls.add(.fchdir, [number]) }
        for number in numbers { try calls.add(.close, [number]) }
    }
}

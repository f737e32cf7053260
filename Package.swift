// swift-tools-version: 6.2
import PackageDescription

// Every Swift target is held to the same rules: language mode 6, strict memory safety, no warnings.
let strict: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

// An arrow of docs/architecture.md is a dependency here; what is not drawn there is not listed here.
let package = Package(
    name: "isorun-engine",
    products: [.executable(name: "isorun-engine", targets: ["isorun-engine"])],
    targets: [
        // Debian's C libraries.
        .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .systemLibrary(name: "CNettle", pkgConfig: "nettle", providers: [.apt(["nettle-dev"])]),

        // The wire half: bytes to typed requests and back.
        .target(name: "JSON", dependencies: ["CJansson"], swiftSettings: strict),
        .target(name: "JSONRPC", dependencies: ["JSON"], swiftSettings: strict),
        .target(name: "Protocol", dependencies: ["JSON", "JSONRPC"], swiftSettings: strict),

        // The kernel half: system calls, stores, sandboxes.
        .target(name: "CKernel"),
        .target(name: "Kernel", dependencies: ["CKernel"], swiftSettings: strict),
        .target(name: "Store", dependencies: ["Kernel", "CArchive", "CNettle", "JSON"], swiftSettings: strict),
        .target(name: "Checkpoint", dependencies: ["Kernel"], swiftSettings: strict),
        .target(name: "InitProtocol"),
        .target(
            name: "Sandbox",
            dependencies: ["Store", "Checkpoint", "Kernel", "InitProtocol", "EmbeddedFiles", "CSeccomp"],
            swiftSettings: strict),

        // What a person at a terminal meets.
        .target(name: "CommandLineInterface", swiftSettings: strict),
        .target(name: "Doctor", dependencies: ["Kernel", "JSON"], swiftSettings: strict),
        .target(
            name: "ImageCommand", dependencies: ["CommandLineInterface", "Store", "Kernel", "JSON"],
            swiftSettings: strict),

        // Where the halves meet.
        .target(name: "Engine", dependencies: ["Protocol", "Sandbox", "EmbeddedFiles"], swiftSettings: strict),
        .executableTarget(
            name: "isorun-engine",
            dependencies: ["Engine", "CommandLineInterface", "Doctor", "ImageCommand", "Kernel"],
            swiftSettings: strict),

        // isorun-init and the schema travel inside the engine's own binary.
        .plugin(name: "EmbedFilePlugin", capability: .buildTool(), path: "Sources/EmbedFilePlugin"),
        .target(name: "EmbeddedFiles", swiftSettings: strict, plugins: ["EmbedFilePlugin"]),

        .testTarget(name: "JSONTests", dependencies: ["JSON"]),
        .testTarget(name: "DoctorTests", dependencies: ["Doctor", "CommandLineInterface", "Kernel", "JSON"]),
        .testTarget(name: "JSONRPCTests", dependencies: ["JSONRPC", "JSON"]),
        .testTarget(name: "ProtocolTests", dependencies: ["Protocol", "JSONRPC", "JSON", "EmbeddedFiles"]),
        .testTarget(name: "KernelTests", dependencies: ["Kernel"]),
        .testTarget(name: "StoreTests", dependencies: ["Store"]),
        .testTarget(name: "SandboxTests", dependencies: ["Sandbox"]),
    ],
    swiftLanguageModes: [.v6]
)

import Foundation
import PackagePlugin

/// Builds `isorun-init` and turns it and the protocol's schema into Swift constants, so that one installed file
/// is the whole engine.
///
/// SwiftPM cannot link a C executable without the Swift runtime, and does not compile C that a plugin generates;
/// hence `cc` is called here and the result travels as a base64 string literal.
@main
struct EmbedFilePlugin: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let package = context.package.directoryURL
        let work = context.pluginWorkDirectoryURL
        let script = package.appending(path: "Sources/EmbedFilePlugin/embed.sh")

        let initFolder = package.appending(path: "Sources/isorun-init")
        let initHeaders = package.appending(path: "Sources/InitProtocol/include")
        let initSources = try sources(in: initFolder) + sources(in: initHeaders)
        let initBinary = work.appending(path: "isorun-init")
        let initSwift = work.appending(path: "InitImage.swift")

        let schema = package.appending(path: "schema/isorun.openrpc.json")
        let schemaSwift = work.appending(path: "Schema.swift")

        return [
            .buildCommand(
                displayName: "Building isorun-init",
                executable: URL(filePath: "/bin/sh"),
                arguments: [script.path, "init", initFolder.path, initHeaders.path, initBinary.path, initSwift.path],
                inputFiles: initSources + [script],
                outputFiles: [initSwift]),
            .buildCommand(
                displayName: "Embedding the schema",
                executable: URL(filePath: "/bin/sh"),
                arguments: [script.path, "schema", schema.path, schemaSwift.path],
                inputFiles: [schema, script],
                outputFiles: [schemaSwift]),
        ]
    }

    private func sources(in folder: URL) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { ["c", "h", "S"].contains($0.pathExtension) }
            .sorted { $0.path < $1.path }
    }
}

import Foundation
import PackagePlugin

/// Builds `isorun-init` and `isorun-template` and turns them and the protocol's schema into Swift constants, so that one installed file
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

        let headers = package.appending(path: "Sources/InitProtocol/include")
        let programs = try [("isorun-init", "initImage"), ("isorun-template", "templateImage")].map {
            program, constant in
            let folder = package.appending(path: "Sources/\(program)")
            let swift = work.appending(path: "\(constant).swift")
            return Command.buildCommand(
                displayName: "Building \(program)",
                executable: URL(filePath: "/bin/sh"),
                arguments: [
                    script.path, "program", constant, folder.path, headers.path, work.appending(path: program).path,
                    swift.path,
                ],
                inputFiles: try sources(in: folder) + sources(in: headers) + [script],
                outputFiles: [swift])
        }

        let schema = package.appending(path: "schema/isorun.openrpc.json")
        let schemaSwift = work.appending(path: "Schema.swift")

        return programs + [
            .buildCommand(
                displayName: "Embedding the schema",
                executable: URL(filePath: "/bin/sh"),
                arguments: [script.path, "schema", schema.path, schemaSwift.path],
                inputFiles: [schema, script],
                outputFiles: [schemaSwift])
        ]
    }

    private func sources(in folder: URL) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { ["c", "h", "S"].contains($0.pathExtension) }
            .sorted { $0.path < $1.path }
    }
}

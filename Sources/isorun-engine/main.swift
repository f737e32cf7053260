import CommandLineInterface
import Doctor
import Engine
import Glibc
import ImageCommand
import Kernel

do throws(CommandLineError) {
    switch try CommandLineAction(parsing: Array(CommandLine.arguments.dropFirst())) {
    case .help: print(Usage.text)
    case .version: print("isorun-engine \(EngineVersion.current)")
    case .doctor(let json, let store): exit(Doctor.run(json: json, store: storePath(store)))
    case .image(let action, let store): workOnImages(action, storePath(store))
    case .serve(let store): serve(storePath(store))
    }
} catch {
    StandardError.write(Array("\(error.message)\n".utf8))
    exit(CommandLineError.exitCode)
}

/// Does one thing with the images of a store, for a person.
func workOnImages(_ action: ImageAction, _ store: String) -> Never {
    do {
        // Before anything else: no thread may exist yet.
        let launch = try Launch.enterNamespaces()
        let command = ImageCommand(launch, store: store, folder: workingDirectory, signals: try SignalDescriptor())
        exit(command.run(action))
    } catch {
        let reason = (error as? LaunchError)?.reason ?? "\(error)"
        StandardError.write(Array("isorun-engine: \(reason); run `isorun-engine doctor`\n".utf8))
        exit(1)
    }
}

/// Speaks the protocol on standard input and output until the client is done.
func serve(_ store: String) -> Never {
    if let order = environmentVariable("ISORUN_FAULT"), !FaultPoint.take(order) {
        let points = FaultPoint.allCases.map(\.rawValue).joined(separator: " ")
        StandardError.write(Array("isorun-engine: ISORUN_FAULT is POINT=ACTION, and the points are \(points)\n".utf8))
        exit(CommandLineError.exitCode)
    }
    if isatty(0) == 1 { StandardError.write(Array("\(Usage.terminalHint)\n".utf8)) }
    do {
        // Before anything else: no thread may exist yet.
        let launch = try Launch.enterNamespaces()
        // A client that has gone shows as a failed write, not as a signal.
        signal(SIGPIPE, SIG_IGN)
        let signals = try SignalDescriptor()
        let streams = try StandardStreams.claim()
        try DescriptorTable.prepare()
        try EngineProcess(
            launch: launch, input: OwnedFD(takingOver: streams.input),
            output: OwnedFD(takingOver: streams.output), signals: signals, defaultStore: store
        ).run()
    } catch {
        let reason = (error as? LaunchError)?.reason ?? "\(error)"
        StandardError.write(Array("isorun-engine: \(reason); run `isorun-engine doctor`\n".utf8))
        exit(1)
    }
}

/// The store's absolute path: what was asked for, else the standard place.
func storePath(_ chosen: String?) -> String {
    let standard = StoreLocation.standard(environment: environmentVariable, isRoot: geteuid() == 0)
    guard let path = chosen ?? standard else {
        StandardError.write(Array("isorun-engine: HOME is not set; say where the store is with --store\n".utf8))
        exit(1)
    }
    return path.hasPrefix("/") ? path : workingDirectory() + "/" + path
}

func workingDirectory() -> String {
    // unsafe: getcwd allocates its result (glibc), which is freed here.
    guard let folder = unsafe getcwd(nil, 0) else {
        StandardError.write(Array("isorun-engine: the working directory is gone\n".utf8))
        exit(1)
    }
    defer { unsafe free(folder) }
    return unsafe String(cString: folder)
}

func environmentVariable(_ name: String) -> String? {
    // unsafe: the value is copied at once; nothing changes the environment.
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
}

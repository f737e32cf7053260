import Testing

@testable import CommandLineInterface

@Suite struct CommandLineTests {
    @Test func noWordsServe() throws {
        #expect(try CommandLineAction(parsing: []) == .serve(store: nil))
    }

    @Test(arguments: [["--store", "/s"], ["--store=/s"]])
    func storeIsTaken(_ words: [String]) throws {
        #expect(try CommandLineAction(parsing: words) == .serve(store: "/s"))
    }

    @Test(arguments: [
        ["doctor", "--json", "--store", "/s"], ["--store=/s", "doctor", "--json"],
        ["--json", "--store", "/s", "doctor"],
    ])
    func doctorTakesOptionsAnywhere(_ words: [String]) throws {
        #expect(try CommandLineAction(parsing: words) == .doctor(json: true, store: "/s"))
    }

    @Test func optionsMayFollowAPathThatLooksLikeACommand() throws {
        #expect(try CommandLineAction(parsing: ["--store", "doctor"]) == .serve(store: "doctor"))
    }

    @Test func imagesAreNamedByWordsInOrder() throws {
        #expect(
            try CommandLineAction(parsing: ["image", "import", "--store", "/s", "doctor", "image"])
                == .image(.importing(path: "doctor", ref: "image"), store: "/s"))
        #expect(
            try CommandLineAction(parsing: ["image", "export", "a:1", "host", "--compression=zstd"])
                == .image(.export(ref: "a:1", path: "host", compression: "zstd"), store: nil))
        #expect(try CommandLineAction(parsing: ["image", "ls", "--json"]) == .image(.list(json: true), store: nil))
    }

    @Test(arguments: [["-h"], ["--help"], ["doctor", "--help"]])
    func help(_ words: [String]) throws {
        #expect(try CommandLineAction(parsing: words) == .help)
    }

    @Test func version() throws {
        #expect(try CommandLineAction(parsing: ["--version"]) == .version)
    }

    @Test(arguments: [
        (["--stor", "/s"], "unknown option '--stor'"),
        (["-v"], "unknown option '-v'"),
        (["--json"], "--json is an option of the commands doctor and image ls"),
        (["image"], "image needs a command: import, pull, ls, rm, commit or export"),
        (["image", "import", "a.tar"], "image import needs a PATH and a REF"),
        (["image", "rm", "host"], "host is the built-in image, which cannot be replaced, removed or exported"),
        (["image", "pull", "a b"], "'a b' is no name for an image"),
        (["image", "rm", "a", "--json"], "--json is an option of the commands doctor and image ls"),
        (["image", "export", "a", "b", "--compression", "xz"], "--compression is gzip, zstd or none"),
        (["image", "ls", "--compression", "gzip"], "--compression is an option of the command image export"),
        (["--compression", "gzip"], "--compression is an option of the command image export"),
        (["serve"], "unexpected word 'serve'"),
        (["doctor", "doctor"], "unexpected word 'doctor'"),
        (["--store"], "--store needs a path"),
        (["--store="], "--store needs a path that is not empty"),
        (["--store", "/a", "--store", "/b"], "--store is given twice"),
        (["a\nb"], "unexpected word 'a?b'"),
    ])
    func mistakesAreNamedInOneLine(_ words: [String], _ reason: String) {
        let error = #expect(throws: CommandLineError.self) { try CommandLineAction(parsing: words) }
        #expect(error?.message == "isorun-engine: \(reason); see: isorun-engine --help")
    }

    @Test func usageFitsATerminalAndNamesEveryOption() {
        for line in Usage.text.split(separator: "\n") { #expect(line.count <= 120) }
        for word in ["doctor", "image", "--json", "--store", "--compression", "--help", "-h", "--version"] {
            #expect(Usage.text.contains(word))
        }
    }

    @Test func standardStore() {
        func standard(_ variables: [String: String], isRoot: Bool = false) -> String? {
            StoreLocation.standard(environment: { variables[$0] }, isRoot: isRoot)
        }
        #expect(standard(["HOME": "/root"], isRoot: true) == "/var/lib/isorun")
        #expect(standard(["HOME": "/h", "XDG_DATA_HOME": "/x"]) == "/x/isorun")
        #expect(standard(["HOME": "/h", "XDG_DATA_HOME": "x"]) == "/h/.local/share/isorun")
        #expect(standard(["HOME": "/h", "XDG_DATA_HOME": ""]) == "/h/.local/share/isorun")
        #expect(standard([:]) == nil)
    }
}

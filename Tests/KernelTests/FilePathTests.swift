import Testing

@testable import Kernel

@Suite struct FilePathTests {
    @Test func refusesNUL() {
        // Not a literal argument, which Swift would take as a path that the program itself put together.
        let text = String("a\0b")
        #expect(FilePath(text) == nil)
        #expect(FilePath(bytes: [0]) == nil)
        #expect(FilePath(bytes: [0xff, 0x0a])?.bytes == [0xff, 0x0a])
    }

    @Test(
        arguments: [
            ("", [], ""), ("/", [], ""), ("a", ["a"], "a"), ("/usr/./lib//x/", ["usr", "lib", "x"], ""),
            ("../a", ["..", "a"], "a"),
        ] as [(FilePath, [FilePath], FilePath)])
    func splits(_ path: FilePath, _ components: [FilePath], _ last: FilePath) {
        #expect(path.components == components)
        #expect(path.lastComponent == last)
    }

    @Test func appendsWithOneSlash() {
        #expect(FilePath(verbatim: "").appending("a") == "a")
        #expect(FilePath(verbatim: "/").appending("a") == "/a")
        #expect(FilePath(verbatim: "b").appending("a") == "b/a")
    }

    @Test func timesBefore1970HaveAPositiveFraction() {
        let time = FileTime(nanoseconds: -1_500_000_001).timespec
        #expect(time.tv_sec == -2)
        #expect(time.tv_nsec == 499_999_999)
        #expect(FileTime(time).nanoseconds == -1_500_000_001)
    }
}

import Kernel
import Protocol
import Sandbox

enum SandboxRaceHandler: RequestHandler {
    typealias Request = SandboxRace

    static func handle(_ params: SandboxRace.Params, _ context: RequestContext) async throws -> SandboxRace.Result {
        let runtime = try context.runtime
        let parent = try runtime.manager.sandbox(params.sandboxID)
        let overrides = try params.children.map { try Sandbox.Overrides($0.overrides, method: method) }
        let policy = RuntimeChoice(params.runtime)
        let entrants = try await BlockingWork.run {
            try runtime.manager.fork(parent, overrides, runtime: policy).children
        }
        // From here on the sandbox may be used: the children do not depend on it.
        context.turn.passSandbox()
        var race = Race(entrants, params, runtime.manager)
        await race.run { ended in
            context.report(
                .report(
                    message: "\(ended) of \(entrants.count) commands have ended",
                    percentage: ended * 100 / entrants.count))
        }
        guard let winner = race.winner else {
            try Task.checkCancellation()
            return SandboxRace.Result(winner: nil, sandbox: nil, results: race.results)
        }
        do {
            try Task.checkCancellation()
            let kept = params.adopt ? parent : entrants[winner]
            if params.adopt { try await adopt(entrants[winner], by: parent, policy, context) }
            runtime.idle.set(kept.id, timeoutSec: kept.describe().config.idleTimeoutSec)
            return SandboxRace.Result(winner: winner, sandbox: SandboxObject(kept), results: race.results)
        } catch {
            await Race.remove(entrants[winner], from: runtime.manager)
            throw error
        }
    }

    /// Puts the winner's state in the place of the parent's, in the parent's own line of requests.
    private static func adopt(
        _ winner: Sandbox, by parent: Sandbox, _ policy: RuntimeChoice, _ context: RequestContext
    ) async throws {
        let manager = try context.runtime.manager
        let ticket = context.session.order.draw(parent.id, .exclusive)
        defer { ticket.finish() }
        await ticket.turn()
        try Task.checkCancellation()
        try await BlockingWork.run { try manager.adopt(parent, from: winner, runtime: policy) }
        await Race.remove(winner, from: manager)
    }
}

/// Commands that run against each other, each in a sandbox of its own.
private struct Race {
    private let entrants: [Sandbox]
    private let children: [RaceChild]
    private let outputLimit: Int
    private let manager: SandboxManager
    private let begun = ContinuousClock.now
    private var ends: [Int: Result<CommandResult, ExecutionFailure>] = [:]
    private var durations: [Int: Duration] = [:]
    /// The first whose command succeeded.
    private(set) var winner: Int?

    init(_ entrants: [Sandbox], _ params: SandboxRace.Params, _ manager: SandboxManager) {
        self.entrants = entrants
        children = params.children
        outputLimit = params.maxOutputBytes
        self.manager = manager
    }

    /// Runs until one command has succeeded or all have ended. What has not won is gone afterwards, processes and all.
    ///
    /// When the task is cancelled all commands are killed; one that succeeded before is the winner all the same.
    ///
    /// - Parameter report: called with the number of commands that have ended.
    mutating func run(_ report: (Int) -> Void) async {
        let (entrants, children, outputLimit, manager, begun) = (entrants, children, outputLimit, manager, begun)
        typealias End = (index: Int, result: Result<CommandResult, ExecutionFailure>, duration: Duration)
        await withTaskGroup(of: End.self) { group in
            for index in entrants.indices {
                group.addTask {
                    let result = await Self.run(children[index], in: entrants[index], outputLimit)
                    let end = (index, result, ContinuousClock.now - begun)
                    if !result.isSuccess { await Self.remove(entrants[index], from: manager) }
                    return end
                }
            }
            for await end in group {
                ends[end.index] = end.result
                durations[end.index] = end.duration
                if !end.result.isSuccess {
                    // It is gone already.
                } else if winner == nil {
                    winner = end.index
                    group.cancelAll()
                } else {
                    await Self.remove(entrants[end.index], from: manager)
                }
                report(ends.count)
            }
        }
    }

    private static func run(
        _ child: RaceChild, in sandbox: Sandbox, _ outputLimit: Int
    ) async -> Result<CommandResult, ExecutionFailure> {
        let command = SandboxCommand(.init(child.command), directory: child.cwd, environment: [:], user: child.user)
        let options = ExecutionOptions(
            timeout: child.timeoutMs.map { .milliseconds($0) }, outputLimit: outputLimit)
        do throws(ExecutionFailure) {
            return .success(try await sandbox.execute(command, options))
        } catch {
            return .failure(error)
        }
    }

    /// Ends every process of a child and removes it.
    static func remove(_ sandbox: Sandbox, from manager: SandboxManager) async {
        do {
            _ = try await BlockingWork.run { try manager.destroy(sandbox) }
        } catch SandboxError.destroyed {
            // Its id was known while it ran: somebody else was quicker.
        } catch {
            Log.write("sandbox \(sandbox.id), which lost a race, is left over: \(error)")
        }
    }

    /// What became of each child, in their order.
    var results: [RaceResult] {
        entrants.indices.map { index in
            let (id, duration) = (entrants[index].id, durations[index] ?? .zero)
            switch ends[index] {
            case .success(let result):
                return RaceResult(
                    outcome: index == winner ? .won : result.isSuccess ? .lost : .failed, sandboxID: id,
                    exitCode: result.exitCode, signal: result.status.signalName, stdout: Self.text(result.output),
                    stderr: Self.text(result.errorOutput), duration: duration, timedOut: result.timedOut)
            case .failure(.cancelled(let output, let errorOutput)):
                return RaceResult(
                    outcome: .lost, sandboxID: id, stdout: Self.text(output), stderr: Self.text(errorOutput),
                    duration: duration, reason: "another command succeeded first")
            case .failure(.sandboxGone(let output, let errorOutput)):
                return RaceResult(
                    outcome: .failed, sandboxID: id, stdout: Self.text(output), stderr: Self.text(errorOutput),
                    duration: duration, reason: "its sandbox ended under the command")
            case .failure(.refused(let error)):
                return RaceResult(
                    outcome: .failed, sandboxID: id, duration: duration,
                    reason: ErrorTranslation.protocolError(for: error).message)
            case nil: preconditionFailure("a race is over when every command has an end")
            }
        }
    }

    private static func text(_ bytes: [UInt8]) -> String { DataEncoding.utf8.encode(bytes) }
}

extension Result<CommandResult, ExecutionFailure> {
    fileprivate var isSuccess: Bool {
        if case .success(let result) = self { return result.isSuccess }
        return false
    }
}

extension CommandResult {
    fileprivate var isSuccess: Bool { exitCode == 0 }
}

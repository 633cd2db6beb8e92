// A small disk in memory that can be filled to its last byte. Needs root and leave to mount.

import { execFileSync } from "node:child_process";
import { mkdtemp, open, rm, rmdir, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CHUNK = Buffer.alloc(1 << 20, 1);

export class Volume {
  static async create(bytes) {
    const volume = new Volume();
    volume.path = await mkdtemp(join(tmpdir(), "stoa-volume-"));
    volume.atExit = () => volume.unmount();
    process.once("exit", volume.atExit);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "stoa-test", volume.path], { stdio: "pipe" });
    } catch (error) {
      throw new Error(`this test needs root and leave to mount: ${error.stderr ?? error.message}`);
    }
    return volume;
  }

  get ballast() {
    return join(this.path, "ballast");
  }

  async free() {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }

  /** Takes all the room there is. */
  async fill() {
    const file = await open(this.ballast, "a");
    try {
      for (let bytes = CHUNK.length; bytes >= 1; ) {
        try {
          await file.write(CHUNK, 0, bytes);
        } catch (error) {
          if (error.code !== "ENOSPC") throw error;
          bytes = Math.floor(bytes / 2);
        }
      }
    } finally {
      await file.close();
    }
  }

  async makeSpace() {
    await rm(this.ballast, { force: true });
  }

  unmount() {
    try {
      execFileSync("umount", ["-l", this.path], { stdio: "ignore" });
    } catch {
      // It is not mounted any more.
    }
  }

  async close() {
    process.removeListener("exit", this.atExit);
    this.unmount();
    await rmdir(this.path);
  }
}

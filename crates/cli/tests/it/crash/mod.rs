//! The program itself: killed at every moment at which something becomes safe on the disk, stopped for
//! too long, and out of room.

mod exported;
mod faults;
mod full;
mod killed;
mod small;
mod stopped;

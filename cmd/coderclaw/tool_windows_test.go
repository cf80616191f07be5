package main

func testedMain() { main() }

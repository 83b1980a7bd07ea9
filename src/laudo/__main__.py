from laudo.cli import main

main()
